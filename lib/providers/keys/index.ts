import { databaseKeys } from "./database";

/** Every place the signing keys may live. To add one: write its file, add its line. */
export const keyProviders = { database: databaseKeys } as const;
