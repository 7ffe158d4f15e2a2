"""Upload: put files at the site so that nobody ever sees part of one."""
