import { describe, expect, it } from "@jest/globals";
import express, { type Express } from "express";
import request from "supertest";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Connection } from "../../src/connection/port.ts";
import { login, logout } from "../../src/session/login.ts";
import { createSession } from "../../src/session/middleware.ts";
import { contextOver, type Moment, mortal } from "../support/mortal.ts";

/** An instance of an app, over a connection that may die. */
function instance(connection: Connection): Express {
  const app = express();
  app.use(createSession(contextOver(connection), () => "secret")());
  app.post("/cart", (req, res) => {
    Object.assign(req.session, { cart: "full" });
    res.end();
  });
  app.post("/login/:user", async (req, res) => {
    await login(req, req.params.user, { keep: ["cart"] });
    res.end();
  });
  app.post("/implicit/:user", (req, res) => {
    req.session.userId = req.params.user;
    res.end();
  });
  app.post("/logout", async (req, res) => {
    await logout(req);
    res.end();
  });
  app.post("/regenerate", (req, res, next) => {
    const user = req.session.userId!;
    req.session.regenerate((error: unknown) => {
      if (error) return next(error);
      req.session.userId = user;
      res.end();
    });
  });
  app.get("/me", (req, res) => {
    res.json(req.session.userId ?? null);
  });
  app.use(((_error, _req, res, _next) => {
    res.status(503).end();
  }) as express.ErrorRequestHandler);
  return app;
}

/** Ids that pass the fence of a user and have a session. */
async function valid(real: Connection, user: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const keys of real.scan("session:")) {
    for (const key of keys) {
      const text = (await real.get(key))!;
      const id = key.slice("session:".length);
      const isLive = !text.includes('"ended"') && text.includes(`"userId":"${user}"`);
      if (isLive && (await real.sismember(`user:${user}:sessions`, id))) ids.push(id);
    }
  }
  return ids;
}

/** The cookie that a response set, if it set one. */
function cookieOf(response: request.Response): string {
  const lines = response.headers["set-cookie"] as string[] | undefined;
  return lines?.[0]?.split(";", 1)[0] ?? "";
}

const ACTIONS = ["/login/7", "/implicit/7", "/login/8", "/logout", "/regenerate"];
const MOMENTS: Moment[] = ["before", "after"];
const CASES = ACTIONS.flatMap((action) => MOMENTS.map((moment) => [action, moment] as const));

describe("I5, a crash after any step", () => {
  it.each(CASES)(
    "of POST %s, %s its answer, leaves at most one valid session",
    async (action, moment) => {
      for (let n = 0; n < 12; n++) {
        const real = createMemory();
        const healthy = instance(real);
        // Someone is signed in elsewhere, and a browser that is signed in acts while its process dies.
        const browser = await request(healthy).post("/login/7");
        const cookie = cookieOf(browser);
        const dying = mortal(real, n, moment);
        await request(instance(dying)).post(action).set("Cookie", cookie);

        for (const user of ["7", "8"]) {
          expect((await valid(real, user)).length).toBeLessThanOrEqual(1);
        }
        // I6: whatever was left behind, it blocks no login, and the new session is the only one.
        const next = await request(healthy).post("/login/7").expect(200);
        const me = await request(healthy).get("/me").set("Cookie", cookieOf(next));
        expect(me.body).toBe("7");
        expect(await valid(real, "7")).toHaveLength(1);
        // I3: the cookie from before is of no use, whichever step it died at.
        const old = await request(healthy).get("/me").set("Cookie", cookie);
        expect(old.body).toBeNull();
        if (dying.count() <= n) return; // All steps have had their crash.
      }
      throw new Error("More steps than the test has crashes for.");
    },
  );

  it("keeps a response from handing out a session that was not claimed", async () => {
    for (let n = 0; n < 4; n++) {
      const real = createMemory();
      const response = await request(instance(mortal(real, n, "before"))).post("/login/7");
      const me = await request(instance(real)).get("/me").set("Cookie", cookieOf(response));
      const isSignedIn = response.status === 200;
      expect(me.body).toBe(isSignedIn ? "7" : null);
    }
  });
});
