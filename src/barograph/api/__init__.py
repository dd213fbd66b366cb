"""The HTTP API, ``barograph serve``: what was recorded, for programs (docs/api.md).

It shows and asks, and has no logic of its own::

    application   create_app: the routes below, behind the doors
    state         what every route stands on; threads, versions
    doors/        tokens, limits, request ids, errors, security headers
    resources/    one module a resource: bars, ticks, anomalies, ...
    formats       rows as JSON, CSV and Arrow
    pages         cursors: where the next page begins
    live/         Server-Sent Events and WebSocket
    sandbox/      SQL by POST
"""
