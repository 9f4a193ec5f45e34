"""What is changed in gunicorn: its worker, its master, its response, its logger."""
