import { describe, expect, it } from "@jest/globals";
import type { Request, RequestHandler } from "express";
import expressSession from "express-session";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { createLog, makeKit, serve } from "../support/kit.ts";
import { type RawReply, send, textOf } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";
import type { CacheOptions, Kit } from "express-redis-kit";

type Headers = Record<string, string>;

/** A user as an auth middleware would leave it: X-User is its id. */
const withUser: RequestHandler = (req, _res, next) => {
  const id = req.get("X-User");
  if (id !== undefined) Object.assign(req, { user: { id } });
  next();
};

describe.each(EXPRESSES)("who shares, under $name", ({ express }) => {
  describeBackends("cache()", (backend) => {
    async function start(
      options: CacheOptions,
      before: (kit: Kit) => RequestHandler[] = () => [],
      handler: RequestHandler = (_req, res) => void res.send("body"),
    ) {
      const kit = makeKit({ ...backend.options(), secret: "s" });
      const log = watchCache(kit);
      const app = express();
      for (const middleware of before(kit)) app.use(middleware);
      app.get("/login", async (req, res) => {
        await kit.login(req, "7");
        res.send("in");
      });
      app.get("/x", kit.cache("x", options), handler);
      const url = await serve(app);
      const ask = async (headers: Headers = {}, path = "/x"): Promise<RawReply> => {
        const reply = await send(url, { headers, path });
        await log.settled(log.events.filter(({ outcome }) => outcome === "miss").length);
        return reply;
      };
      const status = async (headers: Headers = {}) =>
        String((await ask(headers)).headers["cache-status"]).replace("express-redis-kit; ", "");
      return { kit, log, ask, status };
    }

    it.each<[string, Headers]>([
      ["authorization", { Authorization: "Bearer x" }],
      ["authorization", { Authorization: "" }],
      ["api-key", { "X-API-Key": "x" }],
      ["user", { "X-User": "7" }],
      ["cookie", { Cookie: "theme=dark" }],
      ["cookie", { Cookie: "_ga=1; sid=x" }],
      ["cookie", { Cookie: "_ga2=1" }],
      ["cookie", { Cookie: "_GA=1" }],
      ["cookie", { Cookie: "x" }],
      ["cookie", { Cookie: "_ga=1;sid" }],
      ["cookie", { Cookie: '_ga="a; b"' }],
    ])("leaves a request alone that carries something personal: %s %p", async (detail, headers) => {
      const { status } = await start({ ignoreCookies: ["_ga"] }, () => [withUser]);
      expect(await status()).toBe("fwd=miss; stored");
      expect(await status(headers)).toBe(`fwd=bypass; detail=${detail}`);
      expect(await status()).toMatch(/^hit; /);
      expect(await status({ Cookie: "_ga=1" })).toMatch(/^hit; /);
      expect(await status({ Cookie: " _ga=1 ;_ga=2" })).toMatch(/^hit; /);
    });

    it("scope 'public' serves all alike", async () => {
      const { status } = await start({ scope: "public" }, () => [withUser]);
      expect(await status({ Authorization: "a", Cookie: "sid=1" })).toBe("fwd=miss; stored");
      expect(await status({ "X-User": "7", "X-API-Key": "k" })).toMatch(/^hit; /);
    });

    it("scope 'user' gives each user an entry, and others the default", async () => {
      const { ask, status } = await start(
        { scope: "user" },
        () => [withUser],
        (req, res) => void res.send(`for ${req.get("X-User") ?? "nobody"}`),
      );
      for (const id of ["7", "8", "7 ", "user=7", "anonymous", "public", "7:8", "é"]) {
        const headers = { "X-User": encodeURIComponent(id), Cookie: "a=1" };
        expect(textOf(await ask(headers))).toBe(`for ${encodeURIComponent(id)}`);
        expect(await status(headers)).toMatch(/^hit; /);
      }
      expect(textOf(await ask())).toBe("for nobody");
      expect(await status()).toMatch(/^hit; /);
      expect(await status({ Authorization: "x" })).toBe("fwd=bypass; detail=authorization");
    });

    it("scope 'user' bypasses for a user without an id", async () => {
      for (const user of [{}, true, { id: null }, { id: {} }, { id: Number.NaN }, []]) {
        const { status } = await start({ scope: "user" }, () => [
          (req, _res, next) => {
            Object.assign(req, { user });
            next();
          },
        ]);
        expect(await status()).toBe("fwd=bypass; detail=user");
      }
    });

    it("a function names a group; without one the request bypasses", async () => {
      const scope = (req: Request) => req.get("X-Tenant");
      const { ask, status } = await start({ scope }, undefined, (req, res) => {
        res.send(`for ${req.get("X-Tenant")}`);
      });
      for (const tenant of ["a", "b", "anonymous", "public"]) {
        expect(textOf(await ask({ "X-Tenant": tenant, Cookie: "x=1" }))).toBe(`for ${tenant}`);
        expect(await status({ "X-Tenant": tenant })).toMatch(/^hit; /);
      }
      expect(await status()).toBe("fwd=bypass; detail=no-scope");
      expect(await status({ "X-Tenant": "" })).toBe("fwd=bypass; detail=no-scope");
    });

    it("a function that throws reaches the error handler", async () => {
      const { ask } = await start({
        scope: () => {
          throw Object.assign(new Error("x"), { status: 418 });
        },
      });
      expect((await ask()).status).toBe(418);
    });

    it("a session that came by cookie bypasses, signed in or not", async () => {
      const { ask, status } = await start({ ignoreCookies: ["sid"] }, (kit) => [
        kit.session() as RequestHandler,
      ]);
      const cookie = (await ask({}, "/login")).headers["set-cookie"]![0]!.split(";", 1)[0]!;
      expect(await status()).toBe("fwd=miss; stored");
      expect(await status({ Cookie: cookie })).toBe("fwd=bypass; detail=session");
      // A cookie whose session is gone makes nobody personal, but clearing it is not storable.
      expect(await status({ Cookie: "sid=s%3Anonsense.x" })).toMatch(/^(hit; |fwd=)/);
      expect(await status()).toMatch(/^hit; /);
    });

    it.each<[string, RequestHandler]>([
      ["reads", (req, res) => void res.send(String(req.session.userId))],
      ["reads a field it lacks", (req, res) => void res.send(String("x" in req.session))],
      [
        "changes",
        (req, res) => {
          req.session.userId = "7";
          res.send("x");
        },
      ],
      [
        "reads, after it began to answer,",
        (req, res) => {
          res.write("hello ");
          res.end(String(req.session.userId));
        },
      ],
    ])("a handler that %s the session is not stored", async (_name, handler) => {
      const { ask, kit, log } = await start(
        {},
        (made) => [made.session() as RequestHandler],
        handler,
      );
      await ask();
      await ask();
      expect(kit).toBeDefined();
      expect(log.outcomes()).toEqual(["miss", "refused", "miss", "refused"]);
    });

    it("a handler that leaves the session alone is stored, with another session shell too", async () => {
      const shells: RequestHandler[] = [
        makeKit({ ...backend.options(), secret: "s" }).session() as RequestHandler,
        expressSession({ secret: "s", resave: false, saveUninitialized: false }),
      ];
      for (const shell of shells) {
        const { status } = await start({}, () => [shell]);
        expect(await status()).toBe("fwd=miss; stored");
        expect(await status()).toMatch(/^hit; /);
      }
    });
  });
});

describe("the kit's default scope", () => {
  it("holds for every cache(), and each may differ", () => {
    const kit = makeKit({ redis: false, cache: { scope: "public" } });
    expect(() => kit.cache("x", { scope: "user" })).not.toThrow();
    const bad = { redis: false, cache: { scope: "all" as "public" } } as const;
    expect(() => makeKit(bad)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });

  it("warns once for each route in development, and names the ways out", async () => {
    const logger = createLog();
    const kit = makeKit({ redis: false, logger }, { NODE_ENV: "development" });
    const { express } = EXPRESSES[0]!;
    const app = express().get("/x", kit.cache("x"), (_req, res) => void res.send("x"));
    const url = await serve(app);
    await send(url, { path: "/x", headers: { Authorization: "a" } });
    await send(url, { path: "/x", headers: { Cookie: "a=1" } });
    await send(url, { path: "/x", headers: { "X-API-Key": "a" } });
    const warnings = logger.lines.filter((line) => line.includes("cache('x')"));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/scope: 'public'.*scope: 'user'.*scope: \(req\)/);
  });

  it("does not call an unnamed query parameter something personal", async () => {
    const logger = createLog();
    const kit = makeKit({ redis: false, logger }, { NODE_ENV: "development" });
    const { express } = EXPRESSES[0]!;
    const app = express().get("/x", kit.cache("x"), (_req, res) => void res.send("x"));
    await send(await serve(app), { path: "/x?a=1" });
    expect(logger.lines.filter((line) => line.includes("personal"))).toEqual([]);
  });
});
