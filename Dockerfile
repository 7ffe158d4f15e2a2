# Airflow with this project. Start its components with `airflow standalone`, a compose file or a chart of your own.
FROM apache/airflow:3.3.2-python3.11

USER root
COPY packages.txt /tmp/packages.txt
RUN apt-get update \
    && grep -v '^#' /tmp/packages.txt | xargs apt-get install --yes --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt

USER airflow
COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.lock

COPY --chown=airflow:0 . /opt/airflow
# Airflow finds the connection type `persado` through this install's entry point; the code stays where it is.
RUN pip install --no-cache-dir --no-deps --editable /opt/airflow
