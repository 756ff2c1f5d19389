/** All the ways in which one cached response can reach a client, on one server for many shapes. */
import { createHash } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { once } from "node:events";
import { createKit, type Kit, type KitEvents, type KitOptions } from "express-redis-kit";
import type { Shape } from "./body-shapes.ts";
import { createLog } from "./kit.ts";
import { type RawReply, send } from "./raw.ts";
import type { Handler, Shell } from "./shells.ts";

/** What the handlers do beside answering. */
interface Stage {
  /** Sent in X-Version, which tells an older rendering from a newer one. */
  version: number;
  isFailing: boolean;
  isHeld: boolean;
  runs: number;
  readonly waiting: (() => void)[];
}

/** A shape on its server: without the cache, and with two caches of different options. */
export class ShapeServer {
  readonly stage: Stage = { version: 1, isFailing: false, isHeld: false, runs: 0, waiting: [] };
  readonly kit: Kit;
  readonly #events: KitEvents["cache"][] = [];
  readonly #listeners = new Map<string, RequestListener>();
  readonly #server: Server;
  readonly #shapes: ReadonlyMap<string, Shape>;
  #url = "";
  #probes = 0;
  #changed = (): void => {};

  constructor(shell: Shell, shapes: Readonly<Record<string, Shape>>, options: KitOptions) {
    this.kit = createKit({ logger: createLog(), ...options });
    this.kit.on("cache", (event) => {
      this.#events.push(event);
      this.#changed();
    });
    this.#shapes = new Map(Object.entries(shapes));
    const { cache } = this.kit;
    for (const [index, { answer, before = [], after = [] }] of [
      ...this.#shapes.values(),
    ].entries()) {
      const stack = (name: "bare" | "stale" | "error"): void => {
        const template = `${name}-${index}`;
        const vary = ["Accept"];
        const middlewares = {
          bare: [],
          stale: [cache(template, { vary, stale: "1h" })],
          error: [cache(template, { vary, staleIfError: "1h" })],
        }[name];
        const all = [...before, ...middlewares, ...after];
        this.#listeners.set(`/${template}`, shell.listener(all, this.#staged(answer)));
      };
      for (const name of ["bare", "stale", "error"] as const) stack(name);
    }
    const probe = cache("probe", { query: ["number"] });
    this.#listeners.set(
      "/probe",
      shell.listener([probe], (_request, response) => response.end("x")),
    );
    this.#server = createServer((request, response) => {
      this.#listeners.get(request.url!.split("?", 1)[0]!)!(request, response);
    });
  }

  /** The handler, which can be held, and can fail. */
  #staged(answer: Handler): Handler {
    const { stage } = this;
    const run: Handler = (request, response) => {
      if (stage.isFailing) return response.writeHead(503, { "X-Failed": "yes" }).end("failed");
      response.setHeader("X-Version", String(stage.version));
      return answer(request, response);
    };
    return (request, response) => {
      stage.runs++;
      this.#changed();
      if (!stage.isHeld) return run(request, response);
      return stage.waiting.push(() => void run(request, response));
    };
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.#url = `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async close(): Promise<void> {
    await this.kit.close();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** The template of a shape under the cache with that option. */
  template(kind: "bare" | "stale" | "error", name: string): string {
    return `${kind}-${[...this.#shapes.keys()].indexOf(name)}`;
  }

  ask(
    kind: "bare" | "stale" | "error",
    name: string,
    method = "GET",
    more: Record<string, string> = {},
  ): Promise<RawReply> {
    const headers = { ...this.#shapes.get(name)!.headers, ...more };
    return send(this.#url, { path: `/${this.template(kind, name)}`, method, headers });
  }

  /** How often the cache told such an outcome of a template. */
  told(template: string, ...outcomes: string[]): number {
    return this.#events.filter(
      (event) => event.template === template && outcomes.includes(event.outcome),
    ).length;
  }

  /** Waits until so many responses of a template were stored or refused. */
  settled(template: string, count: number): Promise<void> {
    return this.#until(() => this.told(template, "stored", "refused") >= count);
  }

  /** Waits for something that an event or a handler's beginning brings about. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Two requests at once, the second of which comes while the first one's handler runs. */
  async together(kind: "stale" | "error", name: string): Promise<[RawReply, RawReply]> {
    const { stage } = this;
    const runs = stage.runs;
    stage.isHeld = true;
    const leader = this.ask(kind, name);
    await this.#until(() => stage.runs > runs);
    const follower = this.ask(kind, name);
    // Another one, which takes the same way through the cache and comes later.
    for (let index = 0; index < 2; index++) {
      await send(this.#url, { path: `/probe?number=${++this.#probes}` });
    }
    stage.isHeld = false;
    for (const go of stage.waiting.splice(0)) go();
    return Promise.all([leader, follower]);
  }
}

/** What a client can tell from a reply, but for what may differ between two of one response. */
export function essenceOf({ status, headers, body }: RawReply): unknown {
  const {
    date: _date,
    age: _age,
    etag: _etag,
    "cache-status": _status,
    "content-length": _length,
    "transfer-encoding": _coding,
    "x-version": _version,
    ...rest
  } = headers;
  const bytes = createHash("sha256").update(body).digest("hex");
  return { status, rest, bytes, length: body.length };
}
