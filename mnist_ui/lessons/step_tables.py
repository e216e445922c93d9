"""What a step shows: the source with its marked line, the variables, the layers, one weight, the batch."""

from __future__ import annotations

from html import escape
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mnist_core.data import Digits
from mnist_core.lessons.stepping import LayerNorms, Stepper, update_by_hand
from mnist_core.messages import say
from mnist_core.models import count_parameters
from mnist_ui import film
from mnist_ui.language import _, number

STYLE = """<style>
.stepped { overflow-x: auto; border: 1px solid rgba(128, 140, 155, .35); border-radius: 8px; padding: 8px 0;
  font: .82rem/1.55 ui-monospace, "Source Code Pro", Menlo, Consolas, monospace; }
.stepped .lines { display: inline-block; min-width: 100%; }
.stepped .line { white-space: pre; padding: 0 12px 0 0; border-left: 4px solid transparent; }
.stepped .line::before { content: attr(data-mark); display: inline-block; width: 1.9em; text-align: center; }
.stepped .next { background: rgba(47, 134, 201, .2); border-left-color: #2f86c9; font-weight: 600; }
.stepped .done::before { color: #1a9a76; font-weight: 700; }
.stepped .other { opacity: .68; }
.inside { overflow-x: auto; }
.inside table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
.inside th, .inside td { text-align: left; padding: 3px 12px 3px 0; vertical-align: top;
  border: 0; border-bottom: 1px solid rgba(128, 140, 155, .25); }
.inside th { font-weight: 500; opacity: .75; }
.inside .number { text-align: right; white-space: nowrap; }
.inside .name { font-family: ui-monospace, "Source Code Pro", Menlo, Consolas, monospace; font-size: .82rem; }
.inside .new { background: rgba(217, 115, 13, .16); }
.inside .none { opacity: .6; }
.inside small { opacity: .7; }
.inside th.number { white-space: normal; }
.st-key-step_told { min-height: 7.5rem; }
.batch { display: flex; flex-wrap: wrap; gap: 6px; }
.batch figure { margin: 0; text-align: center; font-size: .85rem; }
.batch img { width: 42px; height: 42px; image-rendering: pixelated; border-radius: 4px; display: block; }
</style>"""

# How an optimizer changes one weight, in its own numbers.
FORMULAS = {
    "sgd": say("weight − learning rate × gradient"),
    "momentum": say("weight − learning rate × momentum, the gradients so far, each earlier one a tenth weaker"),
    "adam": say("weight − learning rate × mean gradient / (root of the mean squared gradient + 1e-8)"),
}


def source_html(stepper: Stepper) -> str:
    """The function's source, a mark before what has been run and before what is next."""
    marks = {}
    for at, statement in enumerate(stepper.statements):
        mark = ("done", "✓") if at < stepper.position else ("next", "▶") if at == stepper.position else ("", "")
        marks.update(dict.fromkeys(range(statement.first, statement.last + 1), mark))
    lines = []
    for at, line in enumerate(stepper.lines):
        kind, mark = marks.get(at, ("other", ""))
        current = ' aria-current="step"' if kind == "next" else ""
        lines.append(f'<div class="line {kind}" data-mark="{mark}"{current}>{escape(line) or " "}</div>')
    label = escape(_("The source of train_step"), quote=True)
    return (
        f'{STYLE}<div class="stepped" role="group" aria-label="{label}"><div class="lines">{"".join(lines)}</div></div>'
    )


def table_html(heads: list[str], rows: list[list[str]]) -> str:
    """A table of cells that are html already, `<td>` and all."""
    kinds = ["number" if 'class="number' in one else "" for one in rows[0]]
    head = "".join(f'<th class="{kind}">{escape(one)}</th>' for kind, one in zip(kinds, heads, strict=True))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'{STYLE}<div class="inside"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(text: str, kind: str = "") -> str:
    """A cell of a table with this text."""
    return f'<td class="{kind}">{escape(text)}</td>'


def grad_cell(value: float | None, format_spec: str, kind: str = "") -> str:
    """A cell with a number of `.grad`, or None."""
    return cell("None", f"number none {kind}") if value is None else cell(number(value, format_spec), f"number {kind}")


def variables_html(stepper: Stepper) -> str:
    """The function's variables, those that have no value yet too; what the last line has assigned stands out."""
    variables = stepper.variables
    last = stepper.statements[stepper.position - 1].code if stepper.position else ""
    rows = []
    for name in stepper.names:
        new = " new" if last.startswith(f"{name} =") else ""
        held = describe(variables[name]) if name in variables else _("not there yet")
        rows.append([cell(name, f"name{new}"), cell(held, new if name in variables else "none")])
    return table_html([_("variable"), _("holds")], rows)


def describe(value: Any) -> str:
    """What a variable holds, in a few words: the shape of a tensor, a number, the kind of an object."""
    if isinstance(value, Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        words = f"{number(value.item(), '.5g')}, () {kind}" if value.ndim == 0 else f"{tuple(value.shape)} {kind}"
        if value.ndim == 1:
            words += ": " + ", ".join(map(str, value[:6].tolist())) + (" ..." if len(value) > 6 else "")
        return words if value.grad_fn is None else f"{words}, grad_fn={type(value.grad_fn).__name__}"
    if isinstance(value, Optimizer):
        return f"{type(value).__name__}, lr={value.param_groups[0]['lr']:g}"
    if isinstance(value, nn.Module) and any(True for _parameter in value.parameters()):
        return _("{kind} with {count:,} parameters", kind=type(value).__name__, count=count_parameters(value))
    return repr(value)


def layers_html(layers: list[LayerNorms]) -> str:
    """A row for each layer: how many weights it has, and the norms of weights, gradient and change."""
    rows = [
        [
            f'<td><span class="name">{escape(one.layer)}</span><br><small>{escape(one.kind)}</small></td>',
            cell(number(one.count), "number"),
            cell(number(one.weights, ".4g"), "number"),
            grad_cell(one.grads, ".3g"),
            cell(number(one.change, ".3g"), "number"),
        ]
        for one in layers
    ]
    return table_html([_("layer"), _("count"), _("weights"), _(".grad"), _("change")], rows)


def weight_html(stepper: Stepper, name: str, index: int) -> str:
    """One weight and its `.grad` at the start and after each line so far; what a line has changed stands out."""
    moments = [
        (moment.weights[name].flatten()[index].item(), None if grad is None else grad.flatten()[index].item())
        for moment in stepper.moments
        for grad in [moment.grads[name]]
    ]
    rows = []
    for at, code in enumerate([_("at the start"), *(statement.code for statement in stepper.statements)]):
        row = [cell(code, "name" if at else "")]
        if at < len(moments):
            (weight, grad), (weight_before, grad_before) = moments[at], moments[max(0, at - 1)]
            row.append(cell(number(weight, ".7g"), "number" if weight == weight_before else "number new"))
            row.append(grad_cell(grad, ".5g", "" if grad == grad_before else "new"))
        else:  # the table has its full height from the start
            row += [cell("", "number"), cell("", "number")]
        rows.append(row)
    return table_html([_("after"), _("the weight"), _("its .grad")], rows)


def update_words(stepper: Stepper, optimizer: Optimizer, name: str, index: int) -> str:
    """Once the optimizer has made its step: the same update calculated by hand, beside what came of it."""
    done = [statement.does for statement in stepper.statements[: stepper.position]]
    if "step" not in done:
        return ""
    parameter = dict(stepper.model.named_parameters())[name]
    before = stepper.moments[0].weights[name].flatten()[index].item()
    now = stepper.moments[-1].weights[name].flatten()[index].item()
    update = update_by_hand(optimizer, parameter, index, before)
    values = {"weight": update.weight, "rate": update.rate, "mean": update.mean, "result": update.result, "now": now}
    if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
        sum_words = _(
            "By hand: {weight:.7g} − {rate:g} × ({mean:.5g}) / (√{square:.5g} + 1e-8) = **{result:.7g}**. "
            "The network has **{now:.7g}**.",
            square=update.square,
            **values,
        )
        formula = FORMULAS["adam"]
    else:
        sum_words = _(
            "By hand: {weight:.7g} − {rate:g} × ({mean:.5g}) = **{result:.7g}**. The network has **{now:.7g}**.",
            **values,
        )
        formula = FORMULAS["momentum" if optimizer.param_groups[0].get("momentum") else "sgd"]
    return sum_words + "  \n" + _("New weight = {formula}.", formula=formula)


def batch_html(digits: Digits) -> str:
    """The images of a batch in a row, each with its label."""
    words = escape(_("A training image"), quote=True)
    figures = "".join(
        f'<figure><img src="{film.data_url(film.picture_of(image))}" alt="{words}">'
        f"<figcaption>{label}</figcaption></figure>"
        for image, label in zip(digits.images, digits.labels.tolist(), strict=True)
    )
    return f'{STYLE}<div class="batch">{figures}</div>'
