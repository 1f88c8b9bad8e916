"""Clients of PyPI: `python driver.py <client> <url>` follows the URL and writes one JSON object a line."""
import json
import sys
import time


def tell(**line):
    print(json.dumps(line), flush=True)


def follow_requests(url):
    # sample requests
    import time

    import requests

    last_id = None
    retry_s = 2.0
    while True:
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            # 45 s are three heartbeats.
            with requests.get(url, headers=headers, stream=True, timeout=(10, 45)) as response:
                response.raise_for_status()
                event = {}
                for line in response.iter_lines(decode_unicode=True):
                    field, _, value = line.partition(": ")
                    if field == "data" and "data" in event:
                        value = event["data"] + "\n" + value
                    if line:
                        event[field] = value
                        continue
                    last_id = event.get("id", last_id)
                    retry_s = int(event.get("retry", retry_s * 1000)) / 1000
                    if "data" in event and not event.get("event", "").startswith("tidegate."):
                        tell(event=event.get("event", "message"), id=last_id, data=event["data"])
                    event = {}
        except requests.RequestException as error:
            tell(state="error", detail=str(error))
        time.sleep(retry_s)
    # end


def follow_sseclient(url):
    # sample sseclient-py
    import time

    import requests
    import sseclient

    last_id = None
    retry_s = 2.0
    while True:
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            response = requests.get(url, headers=headers, stream=True, timeout=(10, 45))
            response.raise_for_status()
            for event in sseclient.SSEClient(response).events():
                last_id = event.id or last_id
                retry_s = int(event.retry or retry_s * 1000) / 1000
                if not event.event.startswith("tidegate."):
                    tell(event=event.event, id=last_id, data=event.data)
        except requests.RequestException as error:
            tell(state="error", detail=str(error))
        time.sleep(retry_s)
    # end


def follow_requests_sse(url):
    # sample requests-sse
    import time

    import requests
    from requests_sse import EventSource

    last_id = None
    while True:
        try:
            with EventSource(url, timeout=45, latest_event_id=last_id) as source:
                for event in source:
                    last_id = event.last_event_id or last_id
                    if not (event.type or "").startswith("tidegate."):
                        tell(event=event.type or "message", id=last_id, data=event.data)
        except requests.RequestException as error:  # a refusal, or no connection after five attempts
            tell(state="error", detail=str(error))
        time.sleep(2)
    # end


def follow_httpx_sse(url):
    # sample httpx-sse
    import time

    import httpx
    from httpx_sse import SSEError, connect_sse

    last_id = None
    retry_s = 2.0
    with httpx.Client(timeout=httpx.Timeout(10, read=45)) as client:
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    source.response.raise_for_status()
                    for event in source.iter_sse():
                        last_id = event.id or last_id
                        retry_s = (event.retry or retry_s * 1000) / 1000
                        # A heartbeat appears as an event without data.
                        if event.data and not event.event.startswith("tidegate."):
                            tell(event=event.event, id=last_id, data=event.data)
            except (httpx.HTTPError, SSEError) as error:
                tell(state="error", detail=str(error))
            time.sleep(retry_s)
    # end


def follow_launchdarkly(url):
    # sample launchdarkly-python
    from ld_eventsource import SSEClient
    from ld_eventsource.actions import Event, Fault
    from ld_eventsource.config import ConnectStrategy, ErrorStrategy

    client = SSEClient(ConnectStrategy.http(url), error_strategy=ErrorStrategy.always_continue())
    for action in client.all:
        if isinstance(action, Event) and not action.event.startswith("tidegate."):
            tell(event=action.event, id=action.last_event_id, data=action.data)
        elif isinstance(action, Fault):
            tell(state="error", detail=str(action.error))
    # end


CLIENTS = {
    "requests": follow_requests,
    "sseclient-py": follow_sseclient,
    "requests-sse": follow_requests_sse,
    "httpx-sse": follow_httpx_sse,
    "launchdarkly-python": follow_launchdarkly,
}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]](sys.argv[2])
