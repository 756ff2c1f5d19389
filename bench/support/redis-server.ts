/** Private Redis servers for the benchmarks: on loopback and a unix socket, ended by pid. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { end, pin, start } from "./processes.ts";
import { until } from "./until.ts";

/** A server that a benchmark may do anything to. */
export interface RedisServer {
  readonly port: number;
  readonly tlsPort: number;
  readonly socketPath: string;
  /** A client for looking, over the unix socket, which no benchmark disturbs. */
  readonly client: Redis;
  /** Resolves once the server accepts connections. */
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Ends the process; {@link start} starts it again on the same addresses. */
  end(): Promise<void>;
  /** Ends it for good and removes its folder. */
  stop(): Promise<void>;
}

/** What {@link createRedis} can be told. */
export interface RedisServerOptions {
  /** Listen for TLS on a port of its own, with these files. */
  tls?: { ca: string; cert: string; key: string };
  /** The core to hold the server on. */
  core?: number;
  /** Further arguments, as on redis-server's command line. A path is read as a file of settings. */
  args?: (server: { port: number; folder: string }) => readonly string[];
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Whether a unix socket takes connections. */
export function accepts(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function tlsArguments(
  { ca, cert, key }: NonNullable<RedisServerOptions["tls"]>,
  port: number,
): string[][] {
  return [
    ["--tls-port", `${port}`],
    ["--tls-auth-clients", "no"],
    ["--tls-ca-cert-file", ca],
    ["--tls-cert-file", cert],
    ["--tls-key-file", key],
  ];
}

const open = new Set<string>();
process.on("exit", () => {
  for (const folder of open) rmSync(folder, { recursive: true, force: true });
});

/** Prepares a server that is not started yet. */
export async function createRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "kit-bench-"));
  open.add(folder);
  const socketPath = join(folder, "redis.sock");
  const port = await freePort();
  const tlsPort = options.tls ? await freePort() : 0;
  const { tls } = options;
  const args = [
    ["--port", `${port}`],
    ["--bind", "127.0.0.1"],
    ["--unixsocket", socketPath],
    ["--save", ""],
    ["--dir", folder],
    ...(tls ? tlsArguments(tls, tlsPort) : []),
  ].flat();
  const further = options.args?.({ port, folder }) ?? [];
  const client = new Redis({ path: socketPath, lazyConnect: true });
  client.on("error", () => {}); // It looks at servers that are killed; its commands tell of it.
  let child: ChildProcess | undefined;
  const endChild = async (): Promise<void> => {
    if (child) await end(child);
  };
  return {
    port,
    tlsPort,
    socketPath,
    client,
    start: async () => {
      // A file of settings must come first.
      const isFile = further[0] !== undefined && !further[0].startsWith("--");
      const all = isFile ? [further[0]!, ...args, ...further.slice(1)] : [...args, ...further];
      child = start("redis-server", all);
      if (options.core !== undefined) pin(child.pid, options.core);
      await until(() => accepts(socketPath), "redis-server accepts connections", { every: 1 });
    },
    signal: (signal) => void child?.kill(signal),
    end: endChild,
    stop: async () => {
      client.disconnect();
      await endChild();
      rmSync(folder, { recursive: true, force: true });
      open.delete(folder);
    },
  };
}

/** Starts a server and waits until it accepts connections. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await createRedis(options);
  await server.start();
  return server;
}
