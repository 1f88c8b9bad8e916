// Clients of Go: `driver <client> <url>` follows the URL and writes one JSON object a line.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
)

type line struct {
	Event  string `json:"event,omitempty"`
	ID     string `json:"id,omitempty"`
	Data   string `json:"data,omitempty"`
	State  string `json:"state,omitempty"`
	Detail string `json:"detail,omitempty"`
}

var out = json.NewEncoder(os.Stdout)

// tell reports an event. These clients have one handler for all types, and some hand on a block that has only an id.
func tell(event, id, data string) {
	if strings.HasPrefix(event, "tidegate.") || data == "" {
		return
	}
	if event == "" {
		event = "message"
	}
	_ = out.Encode(line{Event: event, ID: id, Data: data})
}

func failed(err error) {
	_ = out.Encode(line{State: "error", Detail: err.Error()})
}

func followNetHTTP(url string) {
	// sample net/http
	lastID, retry := "", 2*time.Second
	for ; ; time.Sleep(retry) {
		request, _ := http.NewRequest("GET", url, nil)
		request.Header.Set("Accept", "text/event-stream")
		if lastID != "" {
			request.Header.Set("Last-Event-ID", lastID)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			failed(err)
			continue
		}
		if response.StatusCode != 200 {
			response.Body.Close()
			failed(errors.New(response.Status))
			continue
		}
		var event, id string
		var data []string
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 2<<20) // the hub's events take up to 1 MiB
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				id = value
			case "event":
				event = value
			case "data":
				data = append(data, value)
			case "retry":
				if ms, err := strconv.Atoi(value); err == nil {
					retry = time.Duration(ms) * time.Millisecond
				}
			case "": // the id counts with its whole block: a cut inside must not skip the event
				if id != "" {
					lastID = id
				}
				if len(data) > 0 {
					tell(event, lastID, strings.Join(data, "\n"))
				}
				event, id, data = "", "", nil
			}
		}
		if err := lines.Err(); err != nil {
			failed(err)
		}
		response.Body.Close()
	}
	// end
}

func followR3labs(url string) {
	// sample r3labs
	client := r3labs.NewClient(url, r3labs.ClientMaxBufferSize(2<<20))
	client.ReconnectNotify = func(err error, _ time.Duration) { failed(err) }
	for { // it takes a planned end for the last one
		err := client.SubscribeRaw(func(event *r3labs.Event) {
			tell(string(event.Event), string(event.ID), string(event.Data))
		})
		if err != nil {
			failed(err)
		}
		time.Sleep(2 * time.Second)
	}
	// end
}

func followGoSSE(url string) {
	// sample go-sse
	request, _ := http.NewRequest("GET", url, nil)
	connection := gosse.NewConnection(request)
	connection.Buffer(nil, 2<<20)
	connection.SubscribeToAll(func(event gosse.Event) { tell(event.Type, event.LastEventID, event.Data) })
	for { // it gives up on any status but 200; the connection knows its last id
		failed(connection.Connect())
		time.Sleep(2 * time.Second)
	}
	// end
}

func followLaunchDarkly(url string) {
	// sample launchdarkly-go
	stream, err := launchdarkly.SubscribeWithURL(url,
		launchdarkly.StreamOptionCanRetryFirstConnection(-1),
		launchdarkly.StreamOptionUseBackoff(30*time.Second),
		launchdarkly.StreamOptionReadTimeout(45*time.Second), // three heartbeats
		launchdarkly.StreamOptionErrorHandler(func(err error) launchdarkly.StreamErrorHandlerResult {
			if !errors.Is(err, io.EOF) {
				failed(err)
			}
			return launchdarkly.StreamErrorHandlerResult{}
		}))
	if err != nil {
		failed(err)
		return
	}
	for event := range stream.Events {
		tell(event.Event(), event.Id(), event.Data())
	}
	// end
}

func main() {
	clients := map[string]func(string){
		"net/http":        followNetHTTP,
		"r3labs":          followR3labs,
		"go-sse":          followGoSSE,
		"launchdarkly-go": followLaunchDarkly,
	}
	clients[os.Args[1]](os.Args[2])
}
