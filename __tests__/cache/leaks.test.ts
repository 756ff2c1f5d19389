import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { describe, expect, it } from "@jest/globals";
import cors from "cors";
import express from "express";
import type { CacheOptions } from "express-redis-kit";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";

/** An app that answers with whatever `tell` makes of a request. */
function appOf(tell: (req: express.Request) => unknown, options: CacheOptions = {}) {
  const kit = makeKit();
  const app = express();
  app.use(express.json());
  app.use((req, _res, next) => {
    const user = req.get("x-test-user");
    if (user !== undefined) Object.assign(req, { user: new BinaryId(user) });
    next();
  });
  return app.get("/", kit.cache("page", options), (req, res) => {
    res.json(tell(req));
  });
}

/** As bson's ObjectId: its `id` is bytes, its text is its own. */
class BinaryId {
  readonly id: Buffer;

  constructor(hex: string) {
    this.id = Buffer.from(hex, "hex");
  }

  toString(): string {
    return this.id.toString("hex");
  }
}

describe("no byte of A reaches B", () => {
  it("where users are ids of bytes that have the same lossy text", async () => {
    const app = appOf((req) => String((req as { user?: unknown }).user), { scope: "user" });
    const url = await serve(app);
    for (const user of ["65a1c8", "65a1c9", "65a1c8"]) {
      const answer = await send(url, { headers: { "X-Test-User": user } });
      expect(textOf(answer)).toBe(JSON.stringify(user));
    }
  });

  it("where the user is there, but has an empty id", async () => {
    const kit = makeKit();
    const app = express();
    app.use((req, _res, next) => {
      Object.assign(req, { user: { id: "", mail: req.get("mail") } });
      next();
    });
    app.get("/", kit.cache("page", { scope: "user" }), (req, res) => {
      res.json((req as unknown as { user: { mail: string } }).user.mail);
    });
    const url = await serve(app);
    for (const mail of ["alice", "bob"]) {
      expect(textOf(await send(url, { headers: { mail } }))).toBe(JSON.stringify(mail));
    }
  });

  it("where a GET brings a body along, which no key holds", async () => {
    const url = await serve(appOf((req) => (req.body as { q?: string } | undefined)?.q ?? "clean"));
    const body = JSON.stringify({ q: "POISON" });
    const headers = { "Content-Type": "application/json", "Content-Length": String(body.length) };
    const poison = await send(url, { headers, body });
    expect(poison.headers["cache-status"]).toBe("express-redis-kit; fwd=bypass; detail=body");
    expect(textOf(await send(url))).toBe('"clean"');
  });

  it.each(["X-Auth-Token", "Proxy-Authorization", "Cf-Access-Jwt-Assertion", "X-Forwarded-User"])(
    "where %s says who is asking",
    async (name) => {
      const url = await serve(appOf((req) => req.get(name)));
      for (const who of ["alice", "bob"]) {
        expect(textOf(await send(url, { headers: { [name]: who } }))).toBe(JSON.stringify(who));
      }
    },
  );

  it.each([undefined, "user"] as const)(
    "where a session comes after the cache, its cookie is ignored, and the scope is %s",
    async (scope) => {
      const kit = makeKit({ redis: false, secret: "s" });
      const session = kit.session() as express.RequestHandler;
      const app = express();
      app.get("/login/:who", session, async (req, res) => {
        await kit.login(req, req.params["who"] as string);
        res.sendStatus(204);
      });
      const options = { ignoreCookies: ["sid"], ...(scope && { scope }) };
      app.get("/", kit.cache("page", options), session, (req, res) => {
        res.json(req.session.userId ?? "nobody");
      });
      const url = await serve(app);
      for (const who of ["alice", "bob"]) {
        const { headers } = await send(url, { path: `/login/${who}` });
        const Cookie = headers["set-cookie"]![0]!.split(";", 1)[0]!;
        expect(textOf(await send(url, { headers: { Cookie } }))).toBe(JSON.stringify(who));
      }
      expect(textOf(await send(url))).toBe('"nobody"');
    },
  );

  it("where cors() before the cache knows some origins, and cors() after it lets in all", async () => {
    const kit = makeKit({ redis: false });
    const app = express();
    const known = ["https://alice.test", "https://carol.test"];
    app.use(cors({ origin: known, credentials: true }));
    const all = cors({ origin: true, credentials: true });
    app.get("/", kit.cache("page"), all, (_req, res) => void res.send("page"));
    const url = await serve(app);
    for (const who of ["bob", "alice", "carol", "dave", "bob"]) {
      const Origin = `https://${who}.test`;
      const { headers } = await send(url, { headers: { Origin } });
      // Without it a browser shows the page to nobody: better than to somebody else.
      expect([Origin, undefined]).toContain(headers["access-control-allow-origin"]);
    }
  });

  it("where a trusted proxy speaks to a unix socket, and hosts are told by its word", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kit-socket-"));
    const socketPath = join(folder, "app.sock");
    const app = appOf((req) => req.hostname, { scope: "public" });
    app.set("trust proxy", 1);
    const server = createServer(app).listen(socketPath);
    await once(server, "listening");
    const ask = (host: string) =>
      new Promise<string>((resolve, reject) => {
        const headers = { Host: "inner", "X-Forwarded-Host": host };
        httpRequest({ socketPath, path: "/", headers }, (response) => {
          let text = "";
          response.on("data", (bytes: Buffer) => (text += bytes.toString()));
          response.on("end", () => resolve(text));
        })
          .on("error", reject)
          .end();
      });
    expect(await ask("a.example")).toBe('"a.example"');
    expect(await ask("b.example")).toBe('"b.example"');
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
});

describe("options that could only be a mistake", () => {
  it.each([[["*"]], [["bad name"]], [[""]]])("vary: %j is refused", (vary) => {
    expect(() => makeKit().cache("x", { vary })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  });
});
