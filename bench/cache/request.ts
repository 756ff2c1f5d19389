/** One request to a server on loopback, and its answer, byte for byte. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";

/** What came back. */
export interface Answer {
  /** 0 where there was no answer in time. */
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What {@link get} can be told. */
export interface RequestOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the last byte. */
  readonly within?: number;
}

const agent = new Agent({ keepAlive: true });

/** Asks for a path; never rejects. */
export function get(port: number, path: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = "GET", headers = {}, within = 10_000 } = options;
  return new Promise((resolve) => {
    const fail = (): void => resolve({ status: 0, fields: {}, body: Buffer.alloc(0) });
    const signal = AbortSignal.timeout(within);
    const message = { host: "127.0.0.1", port, agent, method, path, headers, signal };
    const sent = request(message, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () =>
        resolve({
          status: answer.statusCode ?? 0,
          fields: answer.headers,
          body: Buffer.concat(chunks),
        }),
      );
      answer.on("error", fail);
    });
    sent.on("error", fail);
    sent.end();
  });
}
