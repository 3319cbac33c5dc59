export type PythonSdk =
  | { python: string; env: Record<string, string>; missing?: never }
  | { missing: string; python?: never; env?: never };
export function findPythonSdk(): PythonSdk;
