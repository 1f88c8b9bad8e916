package tidegate.interop;

import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** Clients of Maven Central: `java … Driver <client> <url>` follows the URL and writes one JSON object a line. */
public final class Driver {
  static void tell(String event, String id, String data) {
    System.out.println("{\"event\":" + quoted(event) + ",\"id\":" + quoted(id) + ",\"data\":" + quoted(data) + "}");
  }

  static void failed(String detail) {
    System.out.println("{\"state\":\"error\",\"detail\":" + quoted(detail) + "}");
  }

  private static String quoted(String text) {
    if (text == null) return "null";
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
  }

  // sample okhttp-sse
  /** Follows a stream for ever; okhttp-sse reads one connection and leaves the next to its user. */
  static final class Follower extends EventSourceListener {
    private final BlockingQueue<String> ends = new ArrayBlockingQueue<>(1);
    private String lastId;

    void follow(String url) throws InterruptedException {
      // 45 s are three heartbeats; the default of 10 s is less than one.
      OkHttpClient client = new OkHttpClient.Builder().readTimeout(Duration.ofSeconds(45)).build();
      while (true) {
        Request.Builder request = new Request.Builder().url(url);
        if (lastId != null) request.header("Last-Event-ID", lastId);
        EventSources.createFactory(client).newEventSource(request.build(), this);
        failed(ends.take());
        Thread.sleep(2_000);
      }
    }

    @Override
    public void onEvent(EventSource source, String id, String type, String data) {
      if (id != null) lastId = id;
      if (type == null || !type.startsWith("tidegate.")) tell(type == null ? "message" : type, id, data);
    }

    @Override
    public void onClosed(EventSource source) {
      ends.add("closed");
    }

    @Override
    public void onFailure(EventSource source, Throwable error, Response response) {
      ends.add(error != null ? error.toString() : "status " + response.code());
    }
  }
  // end

  public static void main(String[] args) throws InterruptedException {
    if (!args[0].equals("okhttp-sse")) throw new IllegalArgumentException(args[0]);
    new Follower().follow(args[1]);
  }
}
