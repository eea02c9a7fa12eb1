"""How Gradio's own parts of the page look; `page.css` has the colours of ours."""

import gradio as gr


def theme() -> gr.themes.Base:
    """Texts and buttons that are legible (4.5 : 1): Gradio's own are paler."""
    return gr.themes.Default(
        primary_hue="sky",
        neutral_hue="slate",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
    ).set(
        body_text_color_subdued="#566070",
        body_text_color_subdued_dark="#a7b0bd",
        block_label_text_color="#3b4554",
        block_info_text_color="#566070",
        block_info_text_color_dark="#a7b0bd",
        input_placeholder_color="#667085",
        input_placeholder_color_dark="#a7b0bd",
        button_primary_background_fill="#0369a1",
        button_primary_background_fill_hover="#075985",
        button_primary_background_fill_dark="#0369a1",
        button_primary_background_fill_hover_dark="#075985",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        link_text_color="#0369a1",
        link_text_color_dark="#7dd3fc",
    )
