"""Access tokens of Microsoft Entra ID, by the client credentials grant.

Source: Microsoft Learn, "Using Service-to-Service (S2S) Authentication" (Business Central): scope
https://api.businesscentral.dynamics.com/.default, Content-Type application/x-www-form-urlencoded.
"""

from __future__ import annotations

from kept.connectors.access_tokens import Fetch, Token
from kept.connectors.http import HttpTarget, Request
from kept.connectors.oauth import granted
from kept.settings import Secret

SCOPE = "https://api.businesscentral.dynamics.com/.default"


def token_fetch(target: HttpTarget, client_id: str, client_secret: Secret) -> Fetch:
    async def fetch() -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.reveal(),
            "scope": SCOPE,
        }
        return await target.call(Request("POST", "", form=form, name="access token", reads_only=True), granted)

    return fetch
