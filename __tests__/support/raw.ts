/** HTTP without a helping hand: nothing decoded, followed, or retried. */
import { type IncomingHttpHeaders, request } from "node:http";

/** What came back. */
export interface RawReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What is sent beside the URL. */
export interface RawOptions {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
  /** Sent as it is, where a URL object would tidy it up. */
  path?: string;
  /** Hangs up. */
  signal?: AbortSignal;
}

/** Sends one request on a connection of its own. */
export function send(url: string, options: RawOptions = {}): Promise<RawReply> {
  const { hostname, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        hostname,
        port,
        path: options.path ?? pathname + search,
        method: options.method ?? "GET",
        headers: options.headers ?? {},
        agent: false,
        ...(options.signal && { signal: options.signal }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(options.body);
  });
}

/** What {@link send} gave, as text. */
export function textOf(reply: RawReply): string {
  return reply.body.toString("utf8");
}
