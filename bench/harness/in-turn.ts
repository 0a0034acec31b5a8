/** All of them, each round beginning with another: what one leaves behind for the next is not always left to the same. */
export const inTurn = <Item>(items: readonly Item[], round: number): readonly Item[] => {
  const first = round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
};
