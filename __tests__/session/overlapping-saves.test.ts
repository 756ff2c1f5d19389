/** One request that saves more than once, or goes on while it saves, beside another writer. */
import { expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { Connection } from "../../src/connection/port.ts";
import { describeBackends } from "../support/backends.ts";
import { openWatched } from "../support/connections.ts";
import { serve } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";
import { dataOf, kitOver, sessionApp, signedIn, wrap } from "../support/session-app.ts";
import { gated } from "../support/wrapped.ts";

describeBackends("saves of one request that overlap", (backend) => {
  const open = (): Connection => openWatched(backend.options(), { NODE_ENV: "test" }).connection;

  /** A session, and a request that saves it slowly while another one writes `theirs`. */
  async function whileSaving(handle: (req: express.Request) => Promise<void> | void) {
    const connection = open();
    const url = await serve(sessionApp(kitOver(connection)));
    const { agent, cookie } = await signedIn(url, "7");
    const gate = gated(connection, "session-save");
    const kit = kitOver(gate.target);
    const slow = express();
    slow.set("env", "test");
    slow.use(kit.session());
    slow.post(
      "/",
      wrap(async (req, res) => {
        await handle(req);
        res.end("saved");
      }),
    );
    const pending = request(slow)
      .post("/")
      .set("Cookie", cookie)
      .then((response) => response);
    await until(() => gate.waiting() > 0, "a save waits");
    await agent.post("/data").send({ theirs: 1 }).expect(200);
    gate.open();
    expect((await pending).status).toBe(200);
    return { data: (await agent.get("/me")).body.data as object, errors: kit.errors };
  }

  it("keep what another request wrote, where the second did not wait for the first", async () => {
    const { data, errors } = await whileSaving((req) => {
      dataOf(req)["first"] = 1;
      req.session.save();
      dataOf(req)["second"] = 2;
    });
    expect(data).toEqual({ userId: "7", theirs: 1, first: 1, second: 2 });
    expect(errors).toEqual([]);
  });

  it("keep what the handler set while the first was under way", async () => {
    const { data } = await whileSaving(async (req) => {
      dataOf(req)["first"] = 1;
      const saved = new Promise((resolve) => req.session.save(resolve));
      dataOf(req)["second"] = 2;
      await saved;
    });
    expect(data).toEqual({ userId: "7", theirs: 1, first: 1, second: 2 });
  });

  it("keep that the handler removed a key while the first was under way", async () => {
    const { data } = await whileSaving(async (req) => {
      dataOf(req)["first"] = 1;
      dataOf(req)["temporary"] = 1;
      const saved = new Promise((resolve) => req.session.save(resolve));
      delete dataOf(req)["temporary"];
      await saved;
    });
    expect(data).toEqual({ userId: "7", theirs: 1, first: 1 });
  });
});
