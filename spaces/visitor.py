"""Who asks: the address of a request, as far as it can be trusted."""

import ipaddress
import os

import gradio as gr


def visitor_address(request: gr.Request) -> str:
    """The visitor's address. Behind a Space's proxy it is the last public one that the proxies name.

    What stands before that in the header anybody can write there.
    """
    direct = request.client.host if request.client else ""
    if not os.environ.get("SPACE_ID"):
        return direct
    for address in reversed((request.headers.get("x-forwarded-for") or "").split(",")):
        try:
            if ipaddress.ip_address(address.strip()).is_global:
                return address.strip()
        except ValueError:
            continue
    return direct
