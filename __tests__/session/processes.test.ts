/** Two processes, one session: nothing is lost, and nothing is undone. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import request from "supertest";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { startSessionProcesses } from "../support/session-processes.ts";

let server: RedisServer;
let running: Awaited<ReturnType<typeof startSessionProcesses>>;
beforeAll(async () => {
  server = await startRedis();
  running = await startSessionProcesses(2, server.url);
}, 60_000);
afterAll(async () => {
  await running.end();
  await server.stop();
});

const cookieOf = (response: request.Response): string =>
  String(response.headers["set-cookie"]).split(";", 1)[0]!;

describe("through two processes", () => {
  it("two writers of different keys lose none, 0 of 200", async () => {
    const [one, other] = running.processes;
    const cookie = cookieOf(await request(one!.url).post("/set").send({ a: 0, b: 0 }));
    let lost = 0;
    for (let round = 0; round < 200; round++) {
      await request(one!.url).post("/set").set("Cookie", cookie).send({ a: round, b: round });
      const loaded = Promise.all([one!.loaded(), other!.loaded()]);
      const writes = [one!, other!].map(({ url }, index) =>
        request(url)
          .post(`/slow/${"ab"[index]!}`)
          .set("Cookie", cookie)
          .then(({ status }) => status),
      );
      await loaded;
      one!.go();
      other!.go();
      expect(await Promise.all(writes)).toEqual([200, 200]);
      const { body } = await request(one!.url).get("/").set("Cookie", cookie);
      if (body.a !== "written" || body.b !== "written") lost += 1;
    }
    expect(lost).toBe(0);
  }, 60_000);

  it("a logout in one is not undone by a slow write in the other, 0 of 50", async () => {
    const [one, other] = running.processes;
    let undone = 0;
    for (let round = 0; round < 50; round++) {
      const cookie = cookieOf(await request(one!.url).post("/login"));
      const loaded = one!.loaded();
      const write = request(one!.url)
        .post("/slow/late")
        .set("Cookie", cookie)
        .then(({ status }) => status);
      await loaded;
      await request(other!.url).post("/logout").set("Cookie", cookie).expect(200);
      one!.go();
      await write;
      const { body } = await request(other!.url).get("/").set("Cookie", cookie);
      if (Object.keys(body as object).length > 0) undone += 1;
    }
    expect(undone).toBe(0);
    expect(await server.client.keys("session:*")).toHaveLength(1); // That of the test above.
  }, 60_000);
});
