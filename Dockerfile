# The image of the Astro CLI and of Astro: its build installs packages.txt and requirements.txt and copies the project.
FROM astrocrpublic.azurecr.io/runtime:3.3-2

# Airflow finds the connection type `persado` by the entry point of this install; the code stays where it is.
RUN pip install --no-cache-dir --no-deps --editable .
