"""What RQ's workers do. Usage: rq worker --url redis://127.0.0.1:6379/0"""


def word_count(text):
    return len(text.split())
