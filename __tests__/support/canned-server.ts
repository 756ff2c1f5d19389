/** An HTTP server in a process of its own: it goes on while the test's event loop stands still. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll } from "@jest/globals";

/** The server. */
export interface CannedServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Answers every command with PONG, in base64, after `delay` ms; closes connections idle for `idle` ms. */
const PROGRAM = `
process.stdin.resume().on("end", () => process.exit()); // The tests' process is gone.
const [delay, idle] = process.argv.slice(1).map(Number);
const server = require("node:http").createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => setTimeout(() => {
    // Named here, the header comes without Node's announcement of when the connection will be closed.
    response.setHeader("Connection", "keep-alive");
    response.end(JSON.stringify(JSON.parse(body).map(() => ({ result: "UE9ORw==" }))));
  }, delay));
});
server.keepAliveTimeout = idle;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts one. */
export async function startCannedServer({
  delay = 0,
  idle = 60_000,
}: {
  delay?: number;
  idle?: number;
}): Promise<CannedServer> {
  const args = ["-e", PROGRAM, String(delay), String(idle)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  running.add(child);
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  return {
    url: `http://127.0.0.1:${port.toString().trim()}`,
    stop: async () => {
      running.delete(child);
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Blocks this process's event loop. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
