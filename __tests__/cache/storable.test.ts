import { describe, expect, it } from "@jest/globals";
import expressSession from "express-session";
import onHeaders from "on-headers";
import type { CacheOptions, Middleware } from "express-redis-kit";
import { type Backend, describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { type Handler, SHELLS, type Shell } from "../support/shells.ts";

const PREFIX = "express-redis-kit; ";

/** Asks twice; answers what the cache said of itself, and whether it was true. */
async function judge(
  { listener }: Shell,
  backend: Backend,
  handler: Handler,
  options: CacheOptions = {},
  around: { before?: Middleware[]; after?: Middleware[] } = {},
  headers: Record<string, string> = {},
) {
  const kit = makeKit(backend.options());
  const log = watchCache(kit);
  const middlewares = [...(around.before ?? []), kit.cache("x", options), ...(around.after ?? [])];
  const url = await serve(listener(middlewares, handler));
  const first = await send(url, { headers });
  await log.settled(1);
  const wasStored = log.outcomes().includes("stored");
  const second = await send(url, { headers });
  if (!wasStored) await log.settled(2);
  const said = [first, second].map((reply) =>
    String(reply.headers["cache-status"]).replace(PREFIX, ""),
  );
  expect(said[1]!.startsWith("hit; ")).toBe(wasStored);
  // Saying that something was stored is allowed only where it was.
  expect(said[0] === "fwd=miss; stored" && !wasStored).toBe(false);
  return { wasStored, said: said[0]!, first, second };
}

const withFields =
  (fields: Record<string, string | string[]>, status = 200): Handler =>
  (_request, response) => {
    response.statusCode = status;
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
    response.end("body");
  };

const REFUSED: readonly [name: string, fields: Record<string, string | string[]>, said: string][] =
  [
    ["Set-Cookie", { "Set-Cookie": "a=b" }, "set-cookie"],
    ["an array of Set-Cookie", { "set-cookie": ["a=b", "c=d"] }, "set-cookie"],
    ["private", { "Cache-Control": "private" }, "private"],
    ["PRIVATE with more", { "Cache-Control": "max-age=60, PRIVATE" }, "private"],
    ['private="x"', { "Cache-Control": 'private="set-cookie, x"' }, "private"],
    ["no-store", { "Cache-Control": "no-store" }, "no-store"],
    ["no-cache", { "cache-control": "public,no-cache" }, "no-cache"],
    ["no-store in a list", { "Cache-Control": ["max-age=60", "no-store"] }, "no-store"],
    ["Vary: *", { Vary: "*" }, "vary"],
    ["a Vary that is not named", { Vary: "X-Theme" }, "vary"],
    ["one of several", { Vary: "Accept-Encoding, X-Theme" }, "vary"],
    ["Vary: Cookie", { Vary: "cookie" }, "vary"],
    ["a coding of its own", { "Content-Encoding": "gzip" }, "content-encoding"],
  ];

const STATUSES = [
  201, 202, 204, 206, 300, 302, 303, 304, 307, 400, 401, 403, 404, 410, 429, 500, 503,
];

describe.each(SHELLS)("what is stored, under $name", (shell) => {
  describeBackends("cache()", (backend) => {
    it.each(REFUSED)("not a response with %s", async (_name, fields, detail) => {
      const { wasStored, said } = await judge(shell, backend, withFields(fields));
      expect([wasStored, said]).toEqual([false, `fwd=miss; detail=${detail}`]);
    });

    it.each(REFUSED)("not a response that writeHead gives %s", async (_name, fields) => {
      const handler: Handler = (_req, res) => res.writeHead(200, "Fine", fields).end("body");
      expect((await judge(shell, backend, handler)).wasStored).toBe(false);
    });

    it.each(STATUSES)("not status %i", async (status) => {
      const { wasStored, said } = await judge(shell, backend, withFields({}, status));
      expect([wasStored, said]).toEqual([false, `fwd=miss; detail=status-${status}`]);
    });

    it.each([200, 203, 301, 308])("status %i", async (status) => {
      const { wasStored, said, second } = await judge(
        shell,
        backend,
        withFields({ Location: "/y" }, status),
      );
      expect([wasStored, said]).toEqual([true, "fwd=miss; stored"]);
      expect([second.status, second.headers.location]).toEqual([status, "/y"]);
    });

    it("a Vary that is named, by the request's own value", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const url = await serve(
        shell.listener([kit.cache("x", { vary: ["X-Theme"] })], (request, response) => {
          response.setHeader("Vary", "Accept-Encoding, x-theme");
          response.end(String(request.headers["x-theme"]));
        }),
      );
      const ask = (theme: string) => send(url, { headers: { "X-Theme": theme } });
      for (const theme of ["dark", "light"]) expect(String((await ask(theme)).body)).toBe(theme);
      await log.settled(2);
      for (const theme of ["dark", "light"]) expect(String((await ask(theme)).body)).toBe(theme);
      expect(log.outcomes().filter((outcome) => outcome === "hit")).toHaveLength(2);
    });

    it.each<[string, number | undefined, number, boolean]>([
      ["just short enough", 100, 100, true],
      ["too long", 100, 101, false],
      ["just short of the default", undefined, 1024 * 1024, true],
      ["over the default", undefined, 1024 * 1024 + 1, false],
    ])("a body that is %s", async (_name, maxBytes, length, expected) => {
      const options = maxBytes === undefined ? {} : { maxBytes };
      const body = Buffer.alloc(length, 97);
      const whole = await judge(shell, backend, (_req, res) => res.end(body), options);
      expect([whole.wasStored, whole.said]).toEqual([
        expected,
        expected ? "fwd=miss; stored" : "fwd=miss; detail=too-long",
      ]);
      expect(whole.second.body.equals(body)).toBe(true);
    });

    it("no streamed body that grows too long, and nothing is promised before", async () => {
      const { wasStored, said } = await judge(
        shell,
        backend,
        (_req, res) => {
          for (let index = 0; index < 3; index++) res.write("x".repeat(50));
          res.end();
        },
        { maxBytes: 149 },
      );
      expect([wasStored, said]).toEqual([false, "fwd=miss"]);
    });

    it("no status or field that was changed after they were sent", async () => {
      const { wasStored } = await judge(shell, backend, (_request, response) => {
        response.writeHead(503);
        response.write("sorry");
        response.statusCode = 200;
        response.end();
      });
      expect(wasStored).toBe(false);
    });

    it.each<[string, "before" | "after"]>([
      ["before", "before"],
      ["after", "after"],
    ])("no cookie that a middleware mounted %s it sets at header time", async (_name, where) => {
      const late: Middleware = (_request, response, next) => {
        onHeaders(response, () => response.setHeader("Set-Cookie", "late=1"));
        next();
      };
      const { wasStored, said } = await judge(
        shell,
        backend,
        (_req, res) => res.end("x"),
        {},
        { [where]: [late] },
      );
      expect([wasStored, said]).toEqual([false, "fwd=miss; detail=set-cookie"]);
    });

    it("no cookie that a wrapped writeHead adds to its arguments", async () => {
      const wrapping: Middleware = (_request, response, next) => {
        const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => unknown;
        response.writeHead = ((status: number) =>
          writeHead(status, { "Set-Cookie": "late=1" })) as never;
        next();
      };
      const handler: Handler = (_req, res) => res.end("x");
      const { wasStored } = await judge(shell, backend, handler, {}, { before: [wrapping] });
      expect(wasStored).toBe(false);
    });

    it.each(["before", "after"] as const)(
      "no cookie of express-session mounted %s it",
      async (where) => {
        const session = expressSession({
          secret: "s",
          resave: false,
          saveUninitialized: true,
        }) as unknown as Middleware;
        const handler: Handler = (_req, res) => res.end("x");
        const { wasStored, first } = await judge(
          shell,
          backend,
          handler,
          { scope: "public" },
          { [where]: [session] },
        );
        expect(first.headers["set-cookie"]).toHaveLength(1);
        expect(wasStored).toBe(false);
      },
    );

    it("nothing where a middleware before it forbids it", async () => {
      const nocache: Middleware = (_request, response, next) => {
        response.setHeader("Cache-Control", "no-store");
        next();
      };
      const handler: Handler = (_req, res) => res.end("x");
      const { wasStored } = await judge(shell, backend, handler, {}, { before: [nocache] });
      expect(wasStored).toBe(false);
    });
  });
});
