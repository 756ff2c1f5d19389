/** Saves in which a user appears, while Redis fails at any one step: signed in, or closed. */
import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { Connection } from "../../src/connection/port.ts";
import { describeBackends } from "../support/backends.ts";
import { openWatched } from "../support/connections.ts";
import { serve } from "../support/kit.ts";
import {
  answerError,
  cookieOf,
  dataOf,
  kitOver,
  sessionApp,
  sidOf,
  signedIn,
  wrap,
} from "../support/session-app.ts";
import { allIds, validIds } from "../support/valid-sessions.ts";
import { FAULTS, faulty } from "../support/wrapped.ts";

const save = (req: express.Request) =>
  new Promise<void>((resolve, reject) => {
    req.session.save((error?: Error | null) => (error ? reject(error) : resolve()));
  });

/** Login code that knows nothing of the kit, and waits for its save. */
function appOver(connection: Connection): express.Express {
  const kit = kitOver(connection);
  const app = express();
  app.set("env", "test");
  app.use(kit.session());
  app.post(
    "/save/:user",
    wrap(async (req, res) => {
      dataOf(req)["userId"] = req.params["user"];
      await save(req);
      res.json("saved");
    }),
  );
  app.use(answerError);
  return app;
}

const VISITORS = ["a new visitor", "a visitor with a session"] as const;
const CASES = VISITORS.flatMap((visitor) => FAULTS.map((fault) => [visitor, fault] as const));

describeBackends(
  "a save in which a user appears, and Redis fails at any one command",
  (backend) => {
    const open = (): Connection => openWatched(backend.options(), { NODE_ENV: "test" }).connection;

    /** Lets `act` run into a fault at every command in turn, while 7 is signed in elsewhere. */
    async function atEveryCommand(
      [visitor, fault]: (typeof CASES)[number],
      path: string,
      judge: (response: request.Response, valid: readonly string[]) => void,
    ): Promise<void> {
      for (let n = 1, isHit = true; isHit; n++) {
        const connection = open();
        const healthy = sessionApp(kitOver(connection));
        await signedIn(healthy, "7");
        let cookie = "";
        if (visitor === "a visitor with a session") {
          cookie = cookieOf(await request(healthy).post("/data").send({ cart: 1 }));
        }
        const broken = faulty(connection, n, fault);
        const response = await request(appOver(broken.target)).post(path).set("Cookie", cookie);
        isHit = broken.hit();
        judge(response, await validIds(connection, "7", await allIds(connection)));
        // Whatever was left behind blocks nobody.
        const next = await signedIn(healthy, "7");
        expect(await validIds(connection, "7", await allIds(connection))).toEqual([next.id]);
        expect(n).toBeLessThan(20);
      }
    }

    it.each(CASES)(
      "of %s that %s: signs in, or answers 503; without the guard, no id is handed out",
      async (...which) => {
        await atEveryCommand(which, "/save/7", (response, valid) => {
          expect(valid.length).toBeLessThanOrEqual(1);
          const given = sidOf(response);
          if (response.status === 200) expect(valid).toEqual([given]);
          else expect(response.status).toBe(503);
          const { code } = response.body as { code?: string };
          if (code === "GUARD_UNREACHABLE") expect(given).toBeUndefined();
        });
      },
    );

    it.each(CASES)(
      "of %s that %s: leaves nobody with the id of a login that failed",
      async (...which) => {
        await atEveryCommand(which, "/save/7", (response, valid) => {
          if (response.status !== 200) expect(valid).not.toContain(sidOf(response) ?? "none");
        });
      },
    );
  },
);

describeBackends("a login form that is sent twice at once", (backend) => {
  const open = (): Connection => openWatched(backend.options(), { NODE_ENV: "test" }).connection;

  it.each(["/login", "/data"])("leaves one valid session, and no error: POST %s", async (path) => {
    for (let round = 0; round < 20; round++) {
      const connection = open();
      const url = await serve(sessionApp(kitOver(connection)));
      const cookie = cookieOf(await request(url).post("/data").send({ cart: 1 }));
      const body = path === "/login" ? { user: "7" } : { userId: "7" };
      const responses = await Promise.all(
        [0, 1].map(() => request(url).post(path).set("Cookie", cookie).send(body)),
      );
      expect(responses.map(({ status }) => status)).toEqual([200, 200]);
      const valid = await validIds(connection, "7", await allIds(connection));
      expect(valid).toHaveLength(1);
      expect(responses.map(sidOf)).toContain(valid[0]);
    }
  });
});

describe("the harness", () => {
  it("reaches the claim: a lost answer there leaves the old session ended", async () => {
    const connection = openWatched({ redis: false }, { NODE_ENV: "test" }).connection;
    const healthy = sessionApp(kitOver(connection));
    const { agent } = await signedIn(healthy, "7");
    const broken = faulty(connection, 2, "reply-lost"); // SET NX, then the claim.
    const response = await request(appOver(broken.target)).post("/save/7");
    expect(response.body).toEqual({ code: "GUARD_UNREACHABLE" });
    expect((await agent.get("/me")).body.user).toBeNull();
  });
});
