"""What `save_per_chunk` keeps."""

from django.db import models


class Answer(models.Model):
    content = models.TextField(default="")

    def __str__(self) -> str:
        return self.content
