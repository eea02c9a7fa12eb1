"""Sign in with Hugging Face, on a Space whose README asks for it with `hf_oauth: true`.

Anywhere else there is no button: off a Space, Gradio would ask the Hub who we are at launch.
"""

from collections.abc import Mapping

import gradio as gr

from .checkpoints.models import Visitor

# What a Space finds in its environment then; Gradio wants them all.
GIVEN = (
    "SPACE_ID", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL",
)  # fmt: skip


def is_possible(environment: Mapping[str, str]) -> bool:
    # Gradio takes a place without SYSTEM=spaces for a developer's machine, and needs a token there.
    return environment.get("SYSTEM") == "spaces" and all(environment.get(name) for name in GIVEN)


def add_button(environment: Mapping[str, str]) -> None:
    if is_possible(environment):
        with gr.Column(scale=0, min_width=220):
            gr.LoginButton(size="sm")


def visitor(profile: gr.OAuthProfile | None, token: gr.OAuthToken | None) -> Visitor | None:
    """Who asks, of what Gradio hands an event; None: somebody who has not signed in."""
    if profile is None or token is None:
        return None
    return Visitor(profile.username, token.token)
