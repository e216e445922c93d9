"""What a browser sends of each kind of widget as soon as it is shown, before anybody has touched it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.proto.NumberInput_pb2 import NumberInput
from streamlit.proto.Slider_pb2 import Slider
from streamlit.proto.WidgetStates_pb2 import WidgetState


def checkbox_state(state: WidgetState, widget: Any) -> None:
    state.bool_value = widget.value if widget.set_value else widget.default


def button_group_state(state: WidgetState, widget: Any) -> None:
    chosen = widget.raw_values if widget.set_value else [widget.options[at].content for at in widget.default]
    state.string_array_value.data.extend(chosen)


def selectbox_state(state: WidgetState, widget: Any) -> None:
    state.string_value = widget.raw_value if widget.set_value else widget.options[widget.default]


def number_input_state(state: WidgetState, widget: Any) -> None:
    value = widget.value if widget.set_value else widget.default
    if widget.data_type == NumberInput.INT:
        state.int_value = int(value)
    else:
        state.double_value = value


def slider_state(state: WidgetState, widget: Any) -> None:
    if widget.type == Slider.SELECT_SLIDER:
        chosen = widget.raw_value if widget.set_value else [widget.options[int(at)] for at in widget.default]
        state.string_array_value.data.extend(chosen)
    else:
        state.double_array_value.data.extend(widget.value if widget.set_value else widget.default)


STATES: dict[str, Callable[[WidgetState, Any], None]] = {
    "checkbox": checkbox_state,
    "button_group": button_group_state,
    "selectbox": selectbox_state,
    "number_input": number_input_state,
    "slider": slider_state,
}
