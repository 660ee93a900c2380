"""Generated requests over the whole OpenAPI document, each answer judged."""
