/** A middleware in between that makes another request of one: the later middlewares go by what it has become. */
import { expect, it } from "@jest/globals";
import type { IncomingMessage, RequestListener } from "node:http";
import type { RequestHandler } from "express";
import type { Kit, Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { expectSame, serveBothWays, tellOf, type Way } from "../support/both-ways.ts";
import { expressApp } from "../support/shells.ts";
import { type Listener, PATH, toldSession } from "../support/stack.ts";

/** What it does with a request that asks for it; `cookie` is another user's. */
const CHANGES: Readonly<Record<string, (request: IncomingMessage, cookie: string) => void>> = {
  "another user's cookie": ({ headers }, cookie) => void (headers.cookie = cookie),
  "no cookie": ({ headers }) => void delete headers.cookie,
  "a forged cookie": ({ headers }) => void (headers.cookie = "sid=s%3Aforged.signature"),
  "another host": ({ headers }) => void (headers.host = "other.test"),
  "another forwarded host": ({ headers }) => void (headers["x-forwarded-host"] = "other.test"),
  "another scheme": ({ headers }) => void (headers["x-forwarded-proto"] = "https"),
  "another address": ({ headers }) => void (headers["x-forwarded-for"] = "192.0.2.7"),
  "another language": ({ headers }) => void (headers["accept-language"] = "de"),
  "an Authorization header": ({ headers }) => void (headers.authorization = "Basic eDp5"),
  "a user of its own": (request) => void Object.assign(request, { user: { id: "12" } }),
  "another URL": (request) => void (request.url += "?page=2"),
  "another URL altogether": (request) =>
    void Object.assign(request, { originalUrl: "/x", url: "/x" }),
  "another param": (request) => void Object.assign(request, { params: { id: "457" } }),
  "a method that is not cached": (request) => void (request.method = "DELETE"),
  "a body that is announced": ({ headers }) => void (headers["content-length"] = "2"),
};

/** The limiter for the whole app, the others on the route, with a change before each of them. */
const trusting: Listener = (middlewares, handler) => {
  const app = expressApp();
  app.set("trust proxy", "loopback");
  const [first, ...others] = middlewares as [Middleware, ...Middleware[]];
  app.use(first as RequestHandler);
  const handlers = [...others, handler] as RequestHandler[];
  app.get("/brands/:id/settings", ...handlers);
  app.post("/login", ...handlers);
  return app as RequestListener;
};

describeBackends("changed in between", (backend) => {
  const options = () => ({ ...backend.options(), deadline: "10s", trustProxy: "loopback" });
  const scopes =
    backend.name === "redis" ? (["public", "user", undefined] as const) : ["public" as const];

  it.each(Object.entries(CHANGES))("%s", async (_title, change) => {
    for (const scope of scopes) {
      const cookies = new Map<string, string>();
      const changing: Middleware = (request, _response, next) => {
        const way = request.headers["x-change"];
        if (way !== undefined) change(request, cookies.get(String(way))!);
        next();
      };
      const make = (kit: () => Kit): Middleware[] => [
        kit().rateLimit(),
        changing,
        ...toldSession(kit()),
        kit().rateLimit("second", { limit: 50 }),
        kit().cache("brand:settings", {
          ...(scope && { scope }),
          vary: ["Accept-Language"],
          query: ["page"],
          ignoreCookies: ["sid"],
        }),
      ];
      if (backend.name === "redis") await backend.server().client.flushall();
      const ways = await serveBothWays(options(), make, trusting);
      await expectSame(ways, async (way) => {
        const seen = await playOn(way, cookies);
        expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBeGreaterThan(1);
        return seen;
      });
    }
  });
});

/** Warm, then changed, then as before, then changed again; signed in, and not. */
async function playOn(way: Way, cookies: Map<string, string>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const cookie = await way.signIn("7");
  cookies.set(way.url, await way.signIn("8"));
  const Host = "shop.test";
  const plain = { path: PATH, headers: { Host } };
  const changed = { path: PATH, headers: { Host, "X-Change": way.url } };
  for (const each of [plain, plain, changed, plain, changed]) {
    for (const who of [cookie, undefined]) {
      const reply = await way.ask(who, each);
      seen.push(tellOf(reply));
      const isMiss = String(reply.headers["cache-status"]).includes("fwd=miss");
      if (isMiss) await way.rest(); // Until it is stored.
    }
  }
  return seen;
}
