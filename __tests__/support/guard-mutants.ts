/** The kit's own guard with one mistake each, made below it: in how a connection carries its commands out. */
import type { Connection } from "../../src/connection/port.ts";
import { defineScript, type Script } from "../../src/connection/script.ts";

/** Puts a mistake into a process's connection. */
export type Mutate = (connection: Connection) => Connection;

/** SADD and its time to live. Arguments: id, TTL. */
const addScript: Script<number> = defineScript({
  name: "test-add",
  lua: `
redis.call('SADD', KEYS[1], ARGV[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`,
  run: (database, key, args) => {
    database.sput(key, [...database.smembers(key), String(args[0])], Number(args[1]));
    return 1;
  },
  parse: (raw) => raw as number,
});

type Run = <Reply>(
  run: () => Promise<Reply>,
  script: string,
  key: string,
  args: readonly (string | number)[],
) => Promise<unknown>;

/** Replaces how scripts run. */
function withRun(connection: Connection, run: Run): Connection {
  return {
    ...connection,
    run: <Reply>(script: Script<Reply>, key: string, args: readonly unknown[]) =>
      run(
        () => connection.run(script, key, args as never),
        script.name,
        key,
        args as (string | number)[],
      ) as Promise<Reply>,
  };
}

/** The claim is no script, but SMEMBERS, DEL, DEL and SADD: each a command of its own. */
export const naive: Mutate = (connection) =>
  withRun(connection, async (run, script, key, args) => {
    if (script !== "claim") return run();
    const others = await connection.smembers(key);
    for (const other of others) await connection.del(`session:${other}`);
    await connection.del(key);
    await connection.run(addScript, key, args);
    return others;
  });

/** A sign-in claims first, and stores afterwards. */
export const claimsFirst: Mutate = (connection) => {
  const unstored = new Map<string, () => Promise<boolean>>();
  const store = async (id: string): Promise<void> => {
    const set = unstored.get(id);
    unstored.delete(id);
    await set?.();
  };
  const claiming = withRun(connection, async (run, script, _key, args) => {
    if (script === "swap") await store(String(args[1]));
    const reply = await run();
    if (script === "claim" || script === "join") await store(String(args[0]));
    return reply;
  });
  return {
    ...claiming,
    set: async (key, value, how) => {
      const isSignedIn = how.condition === "NX" && value.includes('"userId"');
      if (!isSignedIn) return connection.set(key, value, how);
      unstored.set(key.slice("session:".length), () => connection.set(key, value, how));
      return true;
    },
  };
};

/** A logout deletes the Set, with whoever is in it. */
export const deletesSet: Mutate = (connection) => ({
  ...connection,
  srem: (key) => connection.del(key),
});

/** A login takes the others out of the Set once it is in, and not in the same step. */
export const claimsInTwo: Mutate = (connection) =>
  withRun(connection, async (run, script, key, args) => {
    if (script !== "claim") return run();
    await connection.run(addScript, key, args);
    const others = (await connection.smembers(key)).filter((other) => other !== args[0]);
    for (const other of others) await connection.srem(key, other);
    return others;
  });

/** A save writes over whatever stands there, a session that was ended included. */
export const savesBlindly: Mutate = (connection) =>
  withRun(connection, async (run, script, key, args) => {
    if (script !== "session-save") return run();
    await connection.set(key, String(args[1]), { ttl: Number(args[2]) });
    return "";
  });

/** A regenerate puts the new id in without asking whether the old one is a member. */
export const swapsBlindly: Mutate = (connection) =>
  withRun(connection, async (run, script, key, args) => {
    if (script !== "swap") return run();
    await connection.srem(key, String(args[0]));
    await connection.run(addScript, key, args.slice(1));
    return true;
  });
