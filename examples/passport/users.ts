/** Stands for a table of users, whose passwords are stored as scrypt hashes. */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** OWASP's parameters for 16 MiB of memory. */
const COST = { N: 2 ** 14, r: 8, p: 5 };
const LENGTH = 32;

/** What the application knows of a user. */
export interface Account {
  readonly id: string;
  readonly username: string;
}

/** A row of the table. */
interface Row extends Account {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

function hash(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, LENGTH, COST, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

async function createRow(id: string, username: string, password: string): Promise<Row> {
  const salt = randomBytes(16);
  return { id, username, salt, hash: await hash(password, salt) };
}

/** A database would hold these; the passwords themselves are in no table. */
const table = Promise.all([createRow("1", "demo", "demo"), createRow("2", "ada", "ada")]);
/** An unknown name costs as much time as a wrong password, so that the time does not tell them apart. */
const nobody: Row = { id: "", username: "", salt: randomBytes(16), hash: randomBytes(LENGTH) };

const accountOf = ({ id, username }: Row): Account => ({ id, username });

/** The user of an id. */
export async function findUser(id: string): Promise<Account | undefined> {
  const row = (await table).find((user) => user.id === id);
  return row && accountOf(row);
}

/** The user of a name and a password. */
export async function checkPassword(
  username: string,
  password: string,
): Promise<Account | undefined> {
  const row = (await table).find((user) => user.username === username) ?? nobody;
  const isRight = timingSafeEqual(await hash(password, row.salt), row.hash);
  return isRight && row !== nobody ? accountOf(row) : undefined;
}
