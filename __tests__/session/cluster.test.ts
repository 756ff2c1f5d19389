/** The invariants that only a server can show: time to live, and slots. */
import { describe, expect, it } from "@jest/globals";
import request from "supertest";
import { makeKit } from "../support/kit.ts";
import { startRedis, until } from "../support/redis-server.ts";
import { sessionApp, signedIn } from "../support/session-app.ts";

describe("after all that sessions can go through", () => {
  it.each([
    ["I7: every key has a TTL", []],
    [
      "I9: all of it holds on a Cluster, with keys in different slots",
      ["--cluster-enabled", "yes"],
    ],
  ])("%s", async (_name, args) => {
    const server = await startRedis({ args });
    if (args.length > 0) {
      await server.client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
      await until(
        async () =>
          String(await server.client.call("CLUSTER", "INFO")).includes("cluster_state:ok"),
        "the cluster is up",
      );
    }
    const app = sessionApp(makeKit({ redis: server.url }));
    for (const user of ["7", "8", "9"]) {
      const first = await signedIn(app, user);
      const { agent } = await signedIn(app, user);
      expect((await first.agent.get("/me")).body.ended).toBe("signed-in-elsewhere");
      await agent.post("/data").send({ cart: 1 }).expect(200);
      await agent.post("/regenerate").send({ cart: 2 }).expect(200);
      expect((await agent.get("/me")).body).toMatchObject({ user, data: { cart: 2 } });
      await agent
        .post("/login")
        .send({ user: `${user}0` })
        .expect(200);
      await agent
        .post("/data")
        .send({ userId: `${user}1` })
        .expect(200);
      expect((await agent.get("/me")).body).toMatchObject({ user: `${user}1` });
      if (user !== "9") await agent.post("/logout").expect(204);
    }
    await request.agent(app).post("/data").send({ cart: 1 }).expect(200);
    const keys = await server.client.keys("*");
    expect(keys.length).toBeGreaterThan(4);
    for (const key of keys) {
      expect([key, await server.client.pttl(key)]).toEqual([key, expect.any(Number)]);
      expect(await server.client.pttl(key)).toBeGreaterThan(0);
    }
    await server.stop();
  });
});
