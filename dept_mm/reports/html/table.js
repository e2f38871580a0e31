// Sort a table by the column whose heading is clicked, again for the reverse.
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  const number = text => parseFloat(text.replace('\u2212', '-'));
  heads.forEach((head, column) => head.querySelector('button')
    ?.addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const numeric = head.classList.contains('number');
      const key = row => row.cells[column].textContent.trim();
      const order = (a, b) => numeric
        ? (number(key(a)) || 0) - (number(key(b)) || 0)
        : key(a).localeCompare(key(b));
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) =>
        up ? order(a, b) : order(b, a)));
    }));
}
