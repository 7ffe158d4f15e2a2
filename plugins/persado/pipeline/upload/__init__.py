"""Upload: put files at the site so that no partial file is ever visible."""
