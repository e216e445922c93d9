# The page for those who host it themselves:
#
#     docker build -t digit-playground .
#     docker run --rm -p 8501:8501 --memory 2g digit-playground
#
# It writes nothing outside of /tmp, so it may also be given --read-only --tmpfs /tmp.

# The version of Python that the page has been tried with.
FROM python:3.11-slim

WORKDIR /app

# What the page needs, with PyTorch's CPU builds, before the page itself: a change of the page leaves this layer alone.
COPY requirements.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > /tmp/dependencies.txt \
    && grep -v '^-e' requirements.txt > /tmp/wheels.txt \
    && pip install --no-cache-dir -r /tmp/wheels.txt -r /tmp/dependencies.txt \
    && rm /tmp/dependencies.txt /tmp/wheels.txt

COPY .streamlit .streamlit
COPY models models
COPY mnist_core mnist_core
COPY mnist_ui mnist_ui
COPY app.py ./
RUN python -m compileall -q app.py mnist_core mnist_ui \
    && useradd --system --uid 10001 --no-create-home playground

USER 10001

# Strangers come: DIGIT_PLAYGROUND_PUBLIC bounds what each may ask for. -e DIGIT_PLAYGROUND_PUBLIC=0 lifts the bounds.
ENV DIGIT_PLAYGROUND_PUBLIC=1 \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1

EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=8)"]

CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]
