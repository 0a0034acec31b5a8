/** Whether a condition (`If-None-Match`) names a content's tag, which may be weak (RFC 9110, 13.1.2). */
export function namesTag(condition: string | undefined, tag: string): boolean {
  if (condition === undefined) return false;
  const strong = (text: string) => text.trim().replace(/^W\//, "");
  return condition.trim() === "*" || condition.split(",").some((each) => strong(each) === strong(tag));
}
