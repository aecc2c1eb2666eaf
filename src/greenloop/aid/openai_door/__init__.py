"""An optional door for programs that speak OpenAI's chat completions: gptel, aider, Continue and the like.

Off unless the settings ask for it. It makes turns by the same services as every editor, and shows what they show: no
suggestion without its badge. Absent here: prompts, models, diffs, and any write to a workspace.

    guard.py     who may come in: the right names in `Host`, no `Origin`, the token
    asked.py     the body of a request
    threads.py   which conversation a list of messages goes on with
    turns.py     one request, one turn of the services
    answer.py    what came of a turn as text
    chat.py      the endpoints
    errors.py    faults in OpenAI's form
    place.py     where address and token are kept
    server.py    a part of the sidecar that serves it all

Only `cli` imports it, and only where it is switched on: `starlette` and `uvicorn` are imported nowhere else in `aid`.
"""
