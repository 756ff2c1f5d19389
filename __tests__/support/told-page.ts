/** A cached page that tells for whom it was rendered, by a handler that waits until a test lets it go. */
import type { RequestHandler, Response } from "express";
import type { CacheOptions, Kit } from "express-redis-kit";
import { serve } from "./kit.ts";
import { type RawReply, send } from "./raw.ts";
import { until } from "./redis-server.ts";
import type { Express } from "./shells.ts";

/** What is around the cache, and what the handler does. */
export interface PageParts {
  readonly options?: CacheOptions;
  readonly before?: readonly RequestHandler[];
  readonly after?: readonly RequestHandler[];
  /** Answers for whoever asks; the default says so in body and header. */
  readonly answer?: (response: Response, person: string) => unknown;
}

/** The page. */
export interface ToldPage {
  readonly url: string;
  /** For whom handlers have begun, in order. */
  readonly begun: readonly string[];
  /** Answers from now on at once (true), or waits for {@link letGo}. */
  hold(isHeld: boolean): void;
  /** Lets the handlers that wait go on; answers how many there were. */
  letGo(): number;
  /** Asks as somebody, who is known by the header X-Person. */
  ask(person: string, headers?: Record<string, string>, method?: string): Promise<RawReply>;
  /** Waits until so many handlers have begun in all. */
  runs(count: number): Promise<void>;
  /** Waits until all requests that arrived before have looked into the cache. */
  looked(arrivals: number): Promise<void>;
}

/** Says for whom it is, wherever something can be said. */
export function tellPerson(response: Response, person: string): void {
  response.set("X-For", person).set("Link", `</${person}>; rel=me`).json({ for: person });
}

/** Serves the page at `/page`, and another one at `/probe`, with request ids set before the cache. */
export async function serveTold(express: Express, kit: Kit, parts: PageParts): Promise<ToldPage> {
  const begun: string[] = [];
  const waiting: (() => void)[] = [];
  let isHeld = false;
  let arrived = 0;
  let probes = 0;
  const app = express();
  app.set("env", "test");
  app.use((req, res, next) => {
    const person = req.get("X-Person") ?? "nobody";
    arrived++;
    const user = req.get("X-User");
    if (user !== undefined) Object.assign(req, { user: { id: user } });
    res.set("X-Request-Id", `outer-${person}`);
    res.set("RateLimit", `"api";r=outer-${person}`);
    next();
  });
  const pass = (person: string): Promise<void> => {
    begun.push(person);
    return isHeld ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve();
  };
  const handler: RequestHandler = (req, res, next) => {
    const person = req.get("X-Person") ?? "nobody";
    const answer = async (): Promise<void> => {
      await pass(person);
      await (parts.answer ?? tellPerson)(res, person);
    };
    const fail = (error: unknown): void => next(error);
    answer().catch(fail);
  };
  const cached = kit.cache("page", parts.options) as RequestHandler;
  const { before = [], after = [] } = parts;
  app.get("/page", ...before, cached, ...after, handler);
  const probe = kit.cache("probe:[number]", { scope: "public" }) as RequestHandler;
  app.get("/probe/:number", probe, (_req, res) => void res.send("seen"));
  const url = await serve(app);
  return {
    url,
    begun,
    hold: (held) => {
      isHeld = held;
    },
    letGo: () => waiting.splice(0).map((go) => go()).length,
    ask: (person, headers = {}, method = "GET") =>
      send(url, {
        path: "/page",
        method,
        headers: { Host: "site.test", "X-Person": person, ...headers },
      }),
    runs: (count) => until(() => begun.length >= count, `${count} handlers have begun`),
    looked: async (arrivals) => {
      await until(() => arrived >= arrivals, `${arrivals} requests have arrived`);
      // It goes the same way over the same connection, and comes after them.
      for (let index = 0; index < 2; index++) await send(url, { path: `/probe/${++probes}` });
      arrived -= 2;
    },
  };
}
