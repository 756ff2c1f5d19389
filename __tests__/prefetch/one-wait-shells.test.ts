/** One wait under every shell, and wherever in an app the middlewares are mounted. */
import { describe, expect, it } from "@jest/globals";
import type { RequestListener } from "node:http";
import type { RequestHandler } from "express";
import {
  fullStack,
  type Listener,
  PATH,
  serveStack,
  type Stack,
  storyOf,
  toldSession,
} from "../support/stack.ts";
import { EXPRESSES, expressApp, SHELLS } from "../support/shells.ts";
import { setUpWaiting } from "../support/waiting.ts";

const waiting = setUpWaiting();

async function expectOneWait({ ask, signIn, warm }: Stack): Promise<void> {
  const cookie = await signIn();
  await warm(cookie);
  const { flushes, result } = await waiting.turnstile().pass(() => ask(cookie), 1);
  expect(storyOf(result)).toBe("200 7 hit");
  expect(flushes[0]!.toSorted()).toEqual(["EVALSHA", "GET", "GET", "SISMEMBER"]);
}

describe.each(SHELLS)("under $name", ({ listener }) => {
  it("limiter, session, guard and cache wait once", async () => {
    const kit = await waiting.kit();
    await expectOneWait(await serveStack(kit, fullStack(kit), listener));
  });
});

describe.each(EXPRESSES)("one wait takes, under $name,", ({ express }) => {
  /** The limiter for the whole app, the session in a router, the cache on the route. */
  const inRouters: Listener = (middlewares, handler) => {
    const app = expressApp(express);
    const [limiter, session, tell, cache] = [...middlewares] as RequestHandler[];
    const brands = express.Router();
    brands.use(session!, tell!);
    const brand = express.Router({ mergeParams: true });
    brand.get("/settings", cache!, handler as RequestHandler);
    brands.use("/:id", brand);
    app.use(limiter!);
    app.use("/brands", brands);
    app.post("/login", session!, handler as RequestHandler);
    return app as RequestListener;
  };

  it("middlewares of an app, of its routers and of a route", async () => {
    const kit = await waiting.kit();
    await expectOneWait(await serveStack(kit, fullStack(kit), inRouters));
  });

  it("middlewares of an app that is mounted in another", async () => {
    const kit = await waiting.kit();
    const inApp: Listener = (middlewares, handler) => {
      const app = expressApp(express);
      app.use("/", inRouters(middlewares, handler) as RequestHandler);
      return app as RequestListener;
    };
    await expectOneWait(await serveStack(kit, fullStack(kit), inApp));
  });

  it("an error page behind limiter and session", async () => {
    const kit = await waiting.kit();
    const middlewares = [kit.rateLimit(), ...toldSession(kit)];
    const failing: Listener = (all, handler) => {
      const app = expressApp(express);
      app.use(...([...all] as RequestHandler[]));
      app.post("/login", handler as RequestHandler);
      return app as RequestListener;
    };
    const { ask, signIn, warm } = await serveStack(kit, middlewares, failing);
    const cookie = await signIn();
    await warm(cookie);
    const { result } = await waiting.turnstile().pass(() => ask(cookie, { path: PATH }), 1);
    expect(storyOf(result)).toBe("404 7 -");
  });
});
