/** Input, options and callbacks that are wrong on purpose: an error that says so, and nothing worse. */
import { createHmac } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import express from "express";
import type { KitError, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import {
  answerError,
  cookieOf,
  dataOf,
  sessionApp,
  sidOf,
  signedIn,
  wrap,
} from "../support/session-app.ts";
import { chain, EXPRESSES } from "../support/shells.ts";

const SECRET = "hostile";

/** The cookie of any id, signed as the shell signs. */
function forge(id: string): string {
  const signature = createHmac("sha256", SECRET).update(id).digest("base64").replace(/=+$/, "");
  return `sid=${encodeURIComponent(`s:${id}.${signature}`)}`;
}

describe("login()", () => {
  const code = async (id: unknown): Promise<string> => {
    const kit = makeKit();
    const app = express().use(kit.session());
    app.post(
      "/",
      wrap(async (req, res) => {
        const outcome = await kit.login(req, id as string).then(
          () => "signed in",
          (error: KitError) => error.code ?? String(error),
        );
        res.json(outcome);
      }),
    );
    return (await request(app).post("/")).body as string;
  };

  it.each([
    ["an object whose toString is no function, as JSON can make it", JSON.parse('{"toString":1}')],
    ["an object without a prototype, as querystring makes them", Object.create(null)],
    ["an object whose toString answers no text", { toString: () => undefined }],
    ["a symbol", Symbol("7")],
    ["a function", () => "7"],
    ["a promise", Promise.resolve("7")],
    ["a boxed NaN", Object(Number.NaN)],
    ["an empty boxed text", Object("")],
    ["Infinity", Infinity],
  ])("refuses %s", async (_what, id: unknown) => {
    expect(await code(id)).toBe("INVALID_USER_ID");
  });

  it.each(["id", "req", "save", "reload", "cookie", "__proto__", "constructor", "touch"])(
    "keeps no property of the session that is not data: %s",
    async (name) => {
      const app = sessionApp(makeKit());
      const browser = request.agent(await serve(app));
      await browser.post("/data").send({ cart: 1 });
      await browser
        .post("/login")
        .send({ user: "7", keep: [name, "cart"] })
        .expect(200);
      expect((await browser.get("/me")).body).toMatchObject({
        user: "7",
        data: { userId: "7", cart: 1 },
      });
      await browser.post("/data").send({ more: 1 }).expect(200);
      expect((await browser.get("/me")).body.data).toEqual({ userId: "7", cart: 1, more: 1 });
    },
  );

  it.each(["/", "//", "//[", "/?a=%zz", "/%zz"])(
    "works for a request whose target is %s",
    async (path) => {
      const kit = makeKit();
      const url = await serve(
        chain([kit.session()], (req, res) => {
          kit.login(req, "7").then(
            () => res.end("signed in"),
            (error: KitError) => res.end(String(error)),
          );
        }),
      );
      const reply = await send(url, { path, method: "POST" });
      expect(textOf(reply)).toBe("signed in");
    },
  );
});

describe("session() by hand, under node:http", () => {
  it("goes on with a request target that no one can parse, and does not throw", async () => {
    const session = makeKit().session();
    const url = await serve((req, res) => {
      try {
        session(req, res, (error) => res.end(error === undefined ? "passed" : "error"));
      } catch (error) {
        res.end(`thrown: ${String(error)}`);
      }
    });
    expect(textOf(await send(url, { path: "http://[/x" }))).toBe("passed");
  });
});

describeBackends("an id from a cookie that is signed, but strange", (backend) => {
  it.each([
    ...["*", "..", "a:b", "a/b", "é", "%", " ", "7:sessions"].map((id) => [id, id]),
    ["3000 letters", "x".repeat(3000)],
  ])("finds nothing, harms nothing, and is not kept: %s", async (_name, id) => {
    const app = sessionApp(makeKit(backend.options()), { secret: SECRET });
    const url = await serve(app);
    const other = await signedIn(url, "7");
    const read = await request(url).get("/me").set("Cookie", forge(id)).expect(200);
    expect(read.body).toEqual({ user: null, ended: null, data: {} });
    const written = await request(url)
      .post("/login")
      .set("Cookie", forge(id))
      .send({ user: "8" })
      .expect(200);
    expect(sidOf(written)).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect((await other.agent.get("/me")).body.user).toBe("7");
  });
});

describeBackends("a genid that answers an id that is taken", (backend) => {
  it.each(["/login", "/regenerate", "/data"])("never mixes two sessions: POST %s", async (path) => {
    const kit = makeKit(backend.options());
    let next: string | undefined;
    let count = 0;
    const genid = () => next ?? `id-${count++}`;
    const app = sessionApp(kit, { genid, secret: SECRET });
    const url = await serve(app);
    const victim = await signedIn(url, "7");
    await victim.agent.post("/data").send({ private: "of 7" });
    const other = path === "/data" ? undefined : await signedIn(url, "8");
    next = victim.id;
    const bodies = { "/login": { user: "9" }, "/regenerate": { mine: 1 }, "/data": { mine: 1 } };
    const response = await request(url)
      .post(path)
      .set("Cookie", other?.cookie ?? "")
      .send(bodies[path as keyof typeof bodies])
      .catch(() => undefined); // An anonymous save fails after the response has begun.
    next = undefined;
    const data = (await victim.agent.get("/me")).body.data as object;
    expect(data).toEqual({ userId: "7", private: "of 7" });
    if (path !== "/data") expect(response!.body).toEqual({ code: "SESSION_CONFLICT" });
  });
});

describe.each(EXPRESSES)("onEnded, under $name", ({ express: shell }) => {
  const ask = async (onEnded: NonNullable<SessionOptions["onEnded"]>) => {
    const url = await serve(sessionApp(makeKit(), { onEnded }, shell));
    const first = await signedIn(url, "7");
    await signedIn(url, "7");
    return request(url).get("/me").set("Cookie", first.cookie).timeout(3000);
  };

  it("that throws is an error of the request, not of the process", async () => {
    const response = await ask(() => {
      throw Object.assign(new Error("onEnded"), { status: 418, code: "THROWN" });
    });
    expect([response.status, response.body]).toEqual([418, { code: "THROWN" }]);
  });

  it("that rejects is an error of the request, not of the process", async () => {
    const response = await ask((async () => {
      throw Object.assign(new Error("onEnded"), { status: 418, code: "REJECTED" });
    }) as never);
    expect([response.status, response.body]).toEqual([418, { code: "REJECTED" }]);
  });

  it("that calls next goes on as anonymous, its cookie taken back", async () => {
    const response = await ask((_req, _res, next) => next());
    expect(response.body).toMatchObject({ user: null, ended: "signed-in-elsewhere" });
    expect(cookieOf(response)).toBe("sid=");
  });
});

describe("options", () => {
  it.each<SessionOptions>([
    { name: "__host-sid", cookie: { secure: false } },
    { name: "__HOST-sid", cookie: { secure: true, path: "/app" } },
    { name: "__secure-sid", cookie: { secure: false } },
  ])("browsers know a prefix in any case (RFC 6265bis, 5.7): %j", (options) => {
    expect(() => makeKit().session(options)).toThrow(
      expect.objectContaining({ code: "INVALID_COOKIE" }),
    );
  });

  it.each([
    [{ idle: "2d", absolute: "1d" }, "INVALID_OPTION"],
    [{ idle: "8d" }, "INVALID_OPTION"],
    [{ idle: "soon" }, "INVALID_DURATION"],
    [{ idel: "1h" }, "UNKNOWN_OPTION"],
    [{ user: "userId" }, "INVALID_OPTION"],
  ])("of sessionStore() are checked as those of session(): %j", (options, code) => {
    expect(() => makeKit().sessionStore(options as never)).toThrow(
      expect.objectContaining({ code }),
    );
    expect(() => makeKit().session(options as never)).toThrow(expect.objectContaining({ code }));
  });

  it("a `user` that throws is an error of the request, not of the process", async () => {
    const kit = makeKit();
    const app = express();
    app.set("env", "test");
    const user = (session: Record<string, unknown>) => {
      if (session["bad"] !== undefined) throw new Error("user");
      return undefined;
    };
    app.use(kit.session({ user }));
    app.post("/", (req, res, next) => {
      dataOf(req)["bad"] = 1;
      try {
        req.session.save((error?: unknown) => {
          delete dataOf(req)["bad"];
          if (error) next(error);
          else res.json("saved");
        });
      } catch (error) {
        delete dataOf(req)["bad"];
        next(error);
      }
    });
    app.use(answerError);
    const response = await request(app).post("/").timeout(3000);
    expect([response.status, response.body]).toEqual([500, { code: "Error: user" }]);
  });
});
