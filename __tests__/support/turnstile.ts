/**
 * A proxy that answers a client flush by flush, so that a test can tell how often some work waited for Redis.
 *
 * A flush is all that the client sends before it has got an answer to any of it. Whatever is done with the
 * answers to one flush alone, and the later ones withheld, has waited once.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { afterAll } from "@jest/globals";
import { commandName, isPush, RespStream } from "./resp.ts";

/** What became of some work. */
export interface Passage<Result> {
  readonly result: Result;
  /** The names of the commands that were answered while it ran, flush by flush. */
  readonly flushes: readonly (readonly string[])[];
  /** Those that were sent, and that nobody waited for. */
  readonly unawaited: readonly string[];
}

/** In front of one server. Answers pass until {@link Turnstile.pass}. */
export interface Turnstile {
  readonly port: number;
  /**
   * Runs `work` with the answers to so many flushes, and withholds the others until it is done.
   *
   * @param most default: as many as it takes
   */
  pass<Result>(work: () => Promise<Result>, most?: number): Promise<Passage<Result>>;
  stop(): Promise<void>;
}

/** Turns of the loop after which nothing more comes that does not wait for an answer. */
const TURNS = 60;

/** How long work may take that has all its answers, in milliseconds; only a test that fails waits for so long. */
const PATIENCE = 4000;

class Gate implements Turnstile {
  port = 0;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  readonly #listener = createServer((client) => this.#join(client));
  /** Answers that are withheld, while some are. */
  #held: (() => void)[] | undefined;
  /** Commands of the flush that is being gathered. */
  #asked: string[] = [];
  /** Commands that the server has not answered, by client. */
  readonly #unanswered = new Map<Socket, number>();
  /** Grows with everything that passes. */
  #moves = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async start(): Promise<void> {
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
    this.port = (this.#listener.address() as { port: number }).port;
  }

  #join(client: Socket): void {
    const server = connect(this.#path);
    const commands = new RespStream();
    const answers = new RespStream();
    const count = (more: number): void => {
      this.#moves += 1;
      this.#unanswered.set(client, (this.#unanswered.get(client) ?? 0) + more);
    };
    client.setNoDelay(true);
    client.on("data", (bytes: Buffer) => {
      const names = commands.read(bytes).map(commandName);
      this.#asked.push(...names);
      count(names.filter((name) => name !== "SUBSCRIBE").length); // Is answered by a push.
      server.write(bytes);
    });
    server.on("data", (bytes: Buffer) => {
      count(-answers.read(bytes).filter((value) => !isPush(value)).length);
      const pass = (): void => void client.write(bytes);
      if (this.#held) this.#held.push(pass);
      else pass();
    });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#unanswered.delete(client);
        for (const each of [client, server]) each.destroy();
      });
    }
  }

  /** Waits until the server owes nothing, and nothing has passed for some turns of the loop. */
  async #calm(): Promise<void> {
    let moves = this.#moves;
    for (let turns = 0; turns < TURNS; turns++) {
      await nextTurn();
      const isOwed = [...this.#unanswered.values()].some((count) => count !== 0);
      if (isOwed || moves !== this.#moves) turns = 0;
      moves = this.#moves;
    }
  }

  /** Hands out what is withheld, and begins anew. */
  #answer(): string[] {
    const flush = this.#asked;
    this.#asked = [];
    for (const pass of this.#held?.splice(0) ?? []) pass();
    return flush;
  }

  #open(): void {
    this.#answer();
    this.#held = undefined;
  }

  async pass<Result>(work: () => Promise<Result>, most = Infinity): Promise<Passage<Result>> {
    await this.#calm();
    this.#asked = [];
    this.#held = [];
    const flushes: string[][] = [];
    let isDone = false;
    const ending = work().finally(() => (isDone = true));
    ending.catch(() => {}); // Seen at the end.
    try {
      while (!isDone) {
        await this.#calm();
        if (isDone || this.#asked.length === 0) continue;
        if (flushes.length === most) await this.#expectEnd(ending, flushes);
        else flushes.push(this.#answer());
      }
      const result = await ending;
      await this.#calm();
      return { result, flushes, unawaited: [...this.#asked] };
    } finally {
      this.#open();
    }
  }

  async #expectEnd(ending: Promise<unknown>, flushes: readonly string[][]): Promise<void> {
    const late = new AbortController();
    const isEnding = await Promise.race([
      ending.then(
        () => true,
        () => true,
      ),
      delay(PATIENCE, false, { signal: late.signal }),
    ]);
    late.abort();
    if (isEnding) return;
    const told = flushes.map((flush) => `[${flush.join(" ")}]`).join(", ");
    throw new Error(`Was answered ${told}, and waits for [${this.#asked.join(" ")}].`);
  }

  async stop(): Promise<void> {
    if (!running.delete(this)) return;
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#listener, "close");
    this.#listener.close();
    await closed;
  }
}

/** A test that fails half-way must not leave one behind. */
const running = new Set<Turnstile>();
afterAll(async () => {
  await Promise.all([...running].map((turnstile) => turnstile.stop()));
});

/** Starts one in front of a server on a unix socket. */
export async function startTurnstile({ socketPath }: { socketPath: string }): Promise<Turnstile> {
  const gate = new Gate(socketPath);
  await gate.start();
  running.add(gate);
  return gate;
}
