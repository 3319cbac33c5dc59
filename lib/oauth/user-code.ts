/** Consonants only: no code spells a word, and none is read as another (RFC 8628 §6.1). */
const ALPHABET = "BCDFGHJKLMNPQRSTVWXZ";
const LENGTH = 8;
const CODES = BigInt(ALPHABET.length) ** BigInt(LENGTH);

/** The code that 32 unpredictable bytes stand for, as it is shown: one of 20⁸, about 34.6 bits (RFC 8628 §6.1). */
export function userCodeFrom(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString("hex")}`) % CODES;
  const letters = Array.from({ length: LENGTH }, () => {
    const letter = ALPHABET.charAt(Number(rest % BigInt(ALPHABET.length)));
    rest /= BigInt(ALPHABET.length);
    return letter;
  });
  return display(letters.join(""));
}

/** A code as people type it, without regard to case, dashes and spaces; undefined: it can be none (RFC 8628 §6.1). */
export function readUserCode(typed: string): string | undefined {
  const letters = typed.toUpperCase().replace(/[\s\p{Pd}]/gu, "");
  const isCode = letters.length === LENGTH && [...letters].every((letter) => ALPHABET.includes(letter));
  return isCode ? display(letters) : undefined;
}

const display = (letters: string): string => `${letters.slice(0, 4)}-${letters.slice(4)}`;
