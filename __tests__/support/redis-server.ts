/** Private Redis servers for tests: on a unix socket or a free loopback port, ended by pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll } from "@jest/globals";
import { Redis } from "ioredis";

/** A server that a test may do anything to. */
export interface RedisServer {
  readonly folder: string;
  readonly socketPath: string;
  /** `unix://…`, or `redis://127.0.0.1:…` where a port was asked for. */
  readonly url: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly process: ChildProcess;
  /** A client past the kit, for looking; closed with the server. */
  readonly client: Redis;
  /** Ends the process and starts it again on the same addresses. */
  restart(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** What {@link startRedis} can be told. */
export interface RedisServerOptions {
  /** Listen on a TCP port too. Default: only the unix socket. */
  tcp?: boolean;
  /** Listen for TLS on a port of its own, with these files. */
  tls?: { ca: string; cert: string; key: string; authClients?: boolean };
  /** Further arguments, as on redis-server's command line. */
  args?: readonly string[];
  /** The text of a configuration file, which a Sentinel writes its state to. Default: no file. */
  config?: string;
}

function findBinary(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = ["redis-server", "valkey-server"]
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error("No redis-server: run `npm test`, which installs it.");
  return found;
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

/** Polls until a condition holds; a test never sleeps for a guess. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = 20_000,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Not within ${ms} ms: ${what}`);
    await delay(5);
  }
}

/** Whether it answers commands: a server accepts connections before it has loaded its data. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => socket.write("PING\r\n"));
    socket.once("data", (reply) => {
      socket.destroy();
      resolve(!reply.toString().startsWith("-LOADING"));
    });
    socket.once("error", () => resolve(false));
    socket.once("end", () => resolve(false));
  });
}

function tlsArguments(tls: NonNullable<RedisServerOptions["tls"]>, port: number): string[] {
  return [
    ["--tls-port", String(port)],
    ["--tls-ca-cert-file", tls.ca],
    ["--tls-cert-file", tls.cert],
    ["--tls-key-file", tls.key],
    ["--tls-auth-clients", tls.authClients ? "yes" : "no"],
  ].flat();
}

/** A test that fails half-way must not leave a server behind, nor keep Jest waiting for one. */
const running = new Set<RedisServer>();
afterAll(async () => {
  await Promise.all([...running].map((server) => server.stop()));
});

/** Starts a server and waits until it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "kit-redis-"));
  const socketPath = join(folder, "redis.sock");
  const port = options.tcp ? await freePort() : 0;
  const tlsPort = options.tls ? await freePort() : 0;
  const configFile = join(folder, "redis.conf");
  if (options.config !== undefined) writeFileSync(configFile, options.config);
  const args = [
    ...(options.config === undefined ? [] : [configFile]),
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--unixsocket",
    socketPath,
    "--save",
    "",
    "--dir",
    folder,
    ...(options.tls ? tlsArguments(options.tls, tlsPort) : []),
    ...(options.args ?? []),
  ];
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn(findBinary(), args, { stdio: "ignore" });
    await until(() => answers(socketPath), "redis-server answers");
  };
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  await start();
  const client = new Redis({ path: socketPath, lazyConnect: true });
  client.on("error", () => {});
  const server: RedisServer = {
    folder,
    socketPath,
    port,
    tlsPort,
    client,
    url: options.tcp ? `redis://127.0.0.1:${port}` : `unix://${socketPath}`,
    get process() {
      return child;
    },
    restart: async () => {
      await end();
      await start();
    },
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      if (!running.delete(server)) return;
      client.disconnect();
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  running.add(server);
  return server;
}
