// Make shown nodes look like new ones, and touch only what differs.

/**
 * Replace the last children of a parent by others. Return the nodes that are there then.
 * @param {Element} parent @param {Node[]} old its last children @param {Node[]} fresh
 */
export function merge(parent, old, fresh) {
  const kept = fresh.map((node, index) => {
    const before = old[index];
    if (!before) return parent.appendChild(node);
    if (before === node || mergeNode(before, node)) return before;
    parent.replaceChild(node, before);
    return node;
  });
  for (const node of old.slice(fresh.length)) parent.removeChild(node);
  return kept;
}

/** Whether a node now looks like another. @param {Node} old @param {Node} fresh */
function mergeNode(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return true;
  }
  if (!(old instanceof Element && fresh instanceof Element) || !old.cloneNode().isEqualNode(fresh.cloneNode())) return false;
  merge(old, [...old.childNodes], [...fresh.childNodes]);
  return true;
}
