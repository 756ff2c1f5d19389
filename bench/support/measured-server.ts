/** A server process that tells its port, and what it has used and been asked for when asked. */
import { createServer, type RequestListener } from "node:http";

/** Since the process began. */
export interface Usage {
  /** Microseconds. */
  readonly cpu: number;
  readonly requests: number;
  /** Calls of handlers, where they are counted. */
  readonly calls: number;
}

/** Serves on a free port of loopback until it is told to end. */
export function serveMeasured(listener: RequestListener, calls = { count: 0 }): void {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    listener(request, response);
  }).listen(0, "127.0.0.1", () => {
    process.send!((server.address() as { port: number }).port);
  });
  process.on("message", (question) => {
    if (question === "end") process.exit();
    const { user, system } = process.cpuUsage();
    process.send!({ cpu: user + system, requests, calls: calls.count } satisfies Usage);
  });
}
