/** HTTP requests with clocks. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";

/** One request and what came of it. Times are milliseconds of `performance.now()`. */
export interface Exchange {
  readonly path: string;
  readonly sentAt: number;
  /** From sending to the answer's last byte, or to the error. */
  readonly took: number;
  /** 0 where there was no answer, or one that was cut off. */
  readonly status: number;
  readonly body: string;
  /** What the answer's first Set-Cookie gave, also where it was cut off after its headers. */
  readonly cookie: string | undefined;
  readonly retryAfter: string | undefined;
  readonly fields: IncomingHttpHeaders;
}

/** What {@link exchange} sends. */
export interface Message {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly cookie?: string | undefined;
}

/** How long an answer is waited for. */
const PATIENCE = 20_000;

const agent = new Agent({ keepAlive: true });

/** Sends a request to loopback, as a proxy that ended TLS would; never rejects. */
export function exchange(port: number, message: Message): Promise<Exchange> {
  const { method = "GET", path, cookie } = message;
  const sentAt = performance.now();
  return new Promise((resolve) => {
    const settle = (status: number, body: string, fields: IncomingHttpHeaders = {}): void =>
      resolve({
        path,
        sentAt,
        took: performance.now() - sentAt,
        status,
        body,
        cookie: fields["set-cookie"]?.[0]?.split(";", 1)[0],
        retryAfter: fields["retry-after"],
        fields,
      });
    const headers = { "X-Forwarded-Proto": "https", ...(cookie !== undefined && { cookie }) };
    const sent = request({ host: "127.0.0.1", port, agent, method, path, headers }, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (text: string) => (body += text));
      answer.on("end", () => settle(answer.statusCode ?? 0, body, answer.headers));
      answer.on("error", (error) => settle(0, error.message, answer.headers));
    });
    sent.setTimeout(PATIENCE, () => sent.destroy(new Error("no answer")));
    sent.on("error", (error) => settle(0, error.message));
    sent.end();
  });
}
