"""The HTML document around the app and the headers that go with it."""

from __future__ import annotations

import base64
import hashlib

from dash import Dash
from flask import Response

from dashboard import theme

# Runs before the first paint, so that a dark page never flashes white. Mantine keeps its choice under this key.
_SCHEME_SCRIPT = (
    "(function(){var c='auto';try{c=localStorage.getItem('mantine-color-scheme-value')||c}catch(e){}"
    "if(c==='auto'){c=matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light'}"
    "document.documentElement.setAttribute('data-mantine-color-scheme',c)})()"
)


def index_string(favicon: str) -> str:
    """Return Dash's index template in our words; ``favicon`` is the address of the icon."""
    return f"""<!DOCTYPE html>
<html lang="en">
    <head>
        {{%metas%}}
        <title>{{%title%}}</title>
        <link rel="icon" type="image/svg+xml" href="{favicon}">
        <script>{_SCHEME_SCRIPT}</script>
        <style>{theme.css_variables()}</style>
        {{%css%}}
    </head>
    <body>
        <noscript>This dashboard needs JavaScript.</noscript>
        {{%app_entry%}}
        <footer>
            {{%config%}}
            {{%scripts%}}
            {{%renderer%}}
        </footer>
    </body>
</html>"""


def secure(app: Dash) -> None:
    """Send the security headers with every answer; call it when every callback is registered."""
    digest = base64.b64encode(hashlib.sha256(_SCHEME_SCRIPT.encode()).digest()).decode()
    scripts = " ".join(["'self'", f"'sha256-{digest}'", *app.csp_hashes()])
    policy = "; ".join(
        (
            "default-src 'self'",
            f"script-src {scripts}",
            # Mantine and plotly write styles while they run; there is no hash for those.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    def _add_headers(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    app.server.after_request(_add_headers)
