/**
 * Upstash's REST API over a real redis-server, as its documentation describes it, with faults on demand:
 * https://upstash.com/docs/redis/features/restapi and …/features/key-locking.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll } from "@jest/globals";
import { RestDatabase } from "./rest-database.ts";

/** What goes wrong with a request. `when` is before or after its commands ran. */
export type Fault =
  | { kind: "delay"; ms: number; when: "before" | "after" }
  /** Not answered until {@link RestEmulator.release}. */
  | { kind: "hold"; when: "before" | "after" }
  /** The socket ends without an answer. */
  | { kind: "close"; when: "before" | "after" }
  /** Answered, and the connection with it. */
  | { kind: "last-answer" }
  /** The body ends in its middle. */
  | { kind: "truncate" }
  /** Answered with this, at once or on {@link RestEmulator.release}. Commands run only where `when` says so. */
  | {
      kind: "answer";
      status: number;
      body: string;
      headers?: Record<string, string>;
      when?: "after";
      after?: "release";
    };

/** A request as it arrived. */
export interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** What it asked for; empty where it was not let in. */
  readonly commands: readonly (readonly unknown[])[];
}

/** The emulator. */
export interface RestEmulator {
  readonly url: string;
  readonly port: number;
  /** Tokens that are let in; a test may change it. */
  readonly tokens: Set<string>;
  /** Every request so far. */
  readonly requests: Seen[];
  /** Scripts that came without the header that allows locks by key. */
  readonly plainScripts: string[];
  /** Connections accepted so far. */
  accepted(): number;
  /** Connections open now. */
  open(): number;
  /** Whether a value that reads OK is left as it is, like the status: the documentation leaves it open. */
  leavesEveryOkPlain: boolean;
  /** The next requests go wrong: `times` of them, or all until {@link heal}. */
  fail(fault: Fault, times?: number): void;
  heal(): void;
  /** Answers what is held. */
  release(): void;
  /** Ends idle and busy connections. */
  cut(): void;
  stop(): Promise<void>;
}

/** How it is started. */
export interface RestEmulatorOptions {
  /** The redis-server behind it. */
  readonly socketPath: string;
  readonly tokens?: readonly string[];
  /** Speaks HTTPS with these PEM texts; `ca` asks clients for a certificate that it signed. */
  readonly tls?: { cert: string; key: string; ca?: string };
  readonly port?: number;
  /** Milliseconds after which an idle connection is closed, and announced to be, as Node does. */
  readonly keepAlive?: number;
  /** Bytes. Default: the 10 MB of Upstash's smaller plans. */
  readonly longestRequest?: number;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** What is asked for in the path: `/SET/key/value?EX=100`, the body being the last part of a POST. */
function commandOfPath(url: URL, body: string): string[] {
  const parts = url.pathname.split("/").slice(1).map(decodeURIComponent);
  const more = [...url.searchParams].filter(([name]) => name !== "_token");
  return [...parts, ...(body === "" ? [] : [body]), ...more.flat().filter((part) => part !== "")];
}

class Emulator implements RestEmulator {
  url = "";
  port = 0;
  readonly tokens: Set<string>;
  readonly requests: Seen[] = [];
  readonly #options: RestEmulatorOptions;
  readonly #database: RestDatabase;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<Socket>();
  #accepted = 0;
  #answers = 0;
  #faults: { fault: Fault; times: number }[] = [];
  #held: (() => void)[] = [];

  constructor(options: RestEmulatorOptions) {
    this.#options = options;
    this.tokens = new Set(options.tokens ?? ["token"]);
    this.#database = new RestDatabase(options.socketPath);
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(request, response).catch(() => response.destroy());
    };
    const { tls } = options;
    this.#server = tls
      ? createTlsServer({ ...tls, requestCert: tls.ca !== undefined }, handle)
      : createServer(handle);
    this.#server.keepAliveTimeout = options.keepAlive ?? 5000;
    this.#server.on("connection", (socket: Socket) => {
      this.#accepted += 1;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  get plainScripts(): string[] {
    return this.#database.plainScripts;
  }

  get leavesEveryOkPlain(): boolean {
    return this.#database.leavesEveryOkPlain;
  }

  set leavesEveryOkPlain(value: boolean) {
    this.#database.leavesEveryOkPlain = value;
  }

  async start(): Promise<void> {
    this.#server.listen(this.#options.port ?? 0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as { port: number }).port;
    this.url = `${this.#options.tls ? "https://localhost" : "http://127.0.0.1"}:${this.port}`;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    const body = await bodyOf(request);
    const path = url.pathname;
    const seen = { path, headers: request.headers };
    const fault = this.#nextFault();
    const refusal = this.#refusal(request, url, body);
    if (refusal) {
      this.requests.push({ ...seen, commands: [] });
      return this.#answer(response, refusal[0], { error: refusal[1] });
    }
    const isBatch = path === "/pipeline" || path === "/multi-exec";
    const parsed: unknown = isBatch || path === "/" ? parse(body) : commandOfPath(url, body);
    const commands = (isBatch ? parsed : [parsed]) as unknown[][];
    if (!Array.isArray(commands) || !commands.every(Array.isArray)) {
      return this.#answer(response, 400, { error: "ERR failed to parse the command" });
    }
    this.requests.push({ ...seen, commands });
    if (fault && !(await this.#before(fault, response))) return;
    const result = await this.#run(
      commands,
      path,
      request.headers["upstash-encoding"] === "base64",
    );
    if (fault && !(await this.#after(fault, response, JSON.stringify(result)))) return;
    const isError = !isBatch && "error" in (result as object);
    this.#answer(response, isError ? 400 : 200, result);
  }

  #refusal(request: IncomingMessage, url: URL, body: string): [number, string] | undefined {
    if (!["HEAD", "GET", "POST", "PUT"].includes(request.method ?? "")) {
      return [405, "ERR method is not allowed"];
    }
    const [, bearer] = /^Bearer (.*)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (!this.tokens.has(bearer ?? url.searchParams.get("_token") ?? "")) {
      return [401, "WRONGPASS invalid or missing auth token"];
    }
    const limit = this.#options.longestRequest ?? 10 * 1024 * 1024;
    if (body.length <= limit) return undefined;
    return [
      400,
      `ERR max request size exceeded. Limit: ${limit} bytes, Actual: ${body.length} bytes`,
    ];
  }

  async #run(commands: unknown[][], path: string, isBase64: boolean): Promise<unknown> {
    if (path === "/multi-exec") return this.#database.transaction(commands, isBase64);
    const results = await Promise.all(
      commands.map((command) => this.#database.run(command, isBase64)),
    );
    return path === "/pipeline" ? results : results[0];
  }

  #nextFault(): Fault | undefined {
    const [next] = this.#faults;
    if (next === undefined) return undefined;
    next.times -= 1;
    if (next.times <= 0) this.#faults.shift();
    return next.fault;
  }

  /** Answers whether the commands shall run. */
  async #before(fault: Fault, response: ServerResponse): Promise<boolean> {
    if (fault.kind === "answer" && fault.when === undefined) return this.#say(fault, response);
    return !("when" in fault) || fault.when !== "before" || this.#disturb(fault, response);
  }

  /** Answers whether the true answer shall be given. */
  async #after(fault: Fault, response: ServerResponse, text: string): Promise<boolean> {
    if (fault.kind === "truncate") {
      response.writeHead(200, { "Content-Length": text.length });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
      return false;
    }
    if (fault.kind === "last-answer") response.setHeader("Connection", "close");
    if (fault.kind === "answer") return this.#say(fault, response);
    return !("when" in fault) || fault.when !== "after" || this.#disturb(fault, response);
  }

  async #say(fault: Extract<Fault, { kind: "answer" }>, response: ServerResponse): Promise<false> {
    if (fault.after === "release") await this.#untilReleased();
    response.writeHead(fault.status, fault.headers).end(fault.body);
    return false;
  }

  async #disturb(fault: Fault, response: ServerResponse): Promise<boolean> {
    if (fault.kind === "delay") await delay(fault.ms);
    if (fault.kind === "hold") await this.#untilReleased();
    if (fault.kind === "close") response.destroy();
    return fault.kind !== "close";
  }

  #untilReleased(): Promise<void> {
    return new Promise((resolve) => this.#held.push(resolve));
  }

  #answer(response: ServerResponse, status: number, body: unknown): void {
    this.#answers += 1;
    response.setHeader("upstash-sync-token", `sync-${this.#answers}`);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  accepted(): number {
    return this.#accepted;
  }

  open(): number {
    return this.#sockets.size;
  }

  fail(fault: Fault, times: number = Number.POSITIVE_INFINITY): void {
    this.#faults.push({ fault, times });
  }

  heal(): void {
    this.#faults = [];
    this.release();
  }

  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    if (!running.delete(this)) return;
    this.heal();
    this.#database.redis.disconnect();
    this.cut();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A test that fails half-way must not leave a server behind. */
const running = new Set<RestEmulator>();
afterAll(async () => {
  await Promise.all([...running].map((emulator) => emulator.stop()));
});

/** Starts an emulator on loopback. */
export async function startRestEmulator(options: RestEmulatorOptions): Promise<RestEmulator> {
  const emulator = new Emulator(options);
  await emulator.start();
  running.add(emulator);
  return emulator;
}
