"""Models of a site that conversations belong to, or are about."""

from django.contrib.auth.models import Group, User

from converse_stream.models import HasConversations


class Team(HasConversations, Group):
    """What conversations are about."""

    class Meta:
        proxy = True
        app_label = "auth"


class Person(HasConversations, User):
    """Who conversations belong to."""

    class Meta:
        proxy = True
        app_label = "auth"
