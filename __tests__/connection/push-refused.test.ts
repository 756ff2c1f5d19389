/** What a refusal to push leads to: the server is asked again by itself, as long as somebody listens. */
import { afterEach, beforeEach, expect, it, jest } from "@jest/globals";
import { commandFailed } from "../../src/connection/diagnosis.ts";
import { type Hearer, Subscriptions } from "../../src/connection/tcp/subscriptions.ts";

const HALF_A_MINUTE = 30_000;

let isDenied = true;
let sent: string[] = [];
let told: string[] = [];
let subscriptions: Subscriptions;

const hearer = (): Hearer => ({
  message: (text) => void told.push(text),
  subscribed: () => void told.push("subscribed"),
  interrupted: () => void told.push("interrupted"),
  refused: ({ code }) => void told.push(code),
});

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["queueMicrotask", "nextTick", "performance"] });
  isDenied = true;
  [sent, told] = [[], []];
  subscriptions = new Subscriptions({
    attempt: () => ({ target: "redis://127.0.0.1:1", tls: false, servername: undefined }),
    isUp: () => true,
    speaksResp3: () => true,
    send: async (command, onReply) => {
      sent.push(command.join(" "));
      if (isDenied) throw commandFailed(command[0], new Error("NOPERM no permissions"));
      onReply();
    },
  });
});
afterEach(() => {
  jest.useRealTimers();
});

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

it("asks again after half a minute, until it may listen", async () => {
  subscriptions.subscribe("news", hearer());
  await pass(HALF_A_MINUTE * 3 + 10);
  expect(sent).toEqual(Array.from({ length: 4 }, () => "SUBSCRIBE news"));
  expect(told.filter((what) => what === "interrupted")).toHaveLength(1);
  isDenied = false;
  await pass(HALF_A_MINUTE);
  expect(told.at(-1)).toBe("subscribed");
  await pass(HALF_A_MINUTE * 3);
  expect(sent).toHaveLength(5);
});

it("asks no more when nobody listens, or when the link is lost", async () => {
  const leave = subscriptions.subscribe("news", hearer());
  subscriptions.subscribe("else", hearer());
  await pass(10);
  leave();
  subscriptions.lost();
  await pass(HALF_A_MINUTE * 3);
  expect(sent).toEqual(["SUBSCRIBE news", "SUBSCRIBE else", "UNSUBSCRIBE news"]);
});
