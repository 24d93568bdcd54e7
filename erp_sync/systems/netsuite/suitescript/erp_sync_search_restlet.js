/**
 * Pages through a saved search, for what SuiteQL does not show (formulas, summaries that a person keeps).
 *
 * GET ?search=customsearch_x&start=0&end=1000
 *   -> {"search": "customsearch_x", "start": 0, "rows": [{label: value, ...}], "count": 1000, "more": true}
 *
 * Rows are named by the labels of the search's columns in lower case, values are texts as getValue gives them.
 * The search must sort by something unique, else pages repeat or skip rows. At most 1,000 rows a call (the limit
 * of ResultSet.getRange); more is refused with SSS_SEARCH_RESULT_LIMIT_EXCEEDED.
 *
 * GET ?permissions=TRAN_SALESORD,LIST_CUSTJOB
 *   -> {"role": 1042, "permissions": {"TRAN_SALESORD": 3, "LIST_CUSTJOB": 0}}
 *
 * tells what the role of the token may do: 0 nothing, 1 view, 2 create, 3 edit, 4 full (User.getPermission); -1 where
 * NetSuite answers something else.
 *
 * @NApiVersion 2.1
 * @NScriptType Restlet
 * @NModuleScope SameAccount
 */
define(['N/search', 'N/error', 'N/runtime'], (search, error, runtime) => {
    const MOST_ROWS = 1000;

    const get = (parameters) => {
        if (parameters.permissions) {
            return permissionsOf(parameters.permissions.split(','));
        }
        const start = whole(parameters.start, 0, 'start');
        const end = whole(parameters.end, start + MOST_ROWS, 'end');
        if (end <= start || end - start > MOST_ROWS) {
            throw refusal(
                'SSS_SEARCH_RESULT_LIMIT_EXCEEDED',
                `No more than ${MOST_ROWS} search results may be requested at one time.`,
            );
        }
        const found = search.load({ id: parameters.search });
        const results = found.run().getRange({ start, end });
        const rows = results.map((result) => rowOf(found.columns, result));
        // A full page may be the last one; one more row tells.
        const more = rows.length === end - start && found.run().getRange({ start: end, end: end + 1 }).length > 0;
        return { search: parameters.search, start, rows, count: rows.length, more };
    };

    const permissionsOf = (names) => {
        const user = runtime.getCurrentUser();
        const known = runtime.Permission;
        const levels = [known.NONE, known.VIEW, known.CREATE, known.EDIT, known.FULL];
        const permissions = {};
        names.forEach((name) => {
            permissions[name] = levels.indexOf(user.getPermission({ name }));
        });
        return { role: user.role, permissions };
    };

    const rowOf = (columns, result) => {
        const row = {};
        columns.forEach((column) => {
            const value = result.getValue(column);
            if (value !== null && value !== '') {
                row[(column.label || column.name).toLowerCase()] = String(value);
            }
        });
        return row;
    };

    const whole = (text, otherwise, name) => {
        if (text === undefined || text === null || text === '') {
            return otherwise;
        }
        if (!/^\d+$/.test(text)) {
            throw refusal('SSS_INVALID_SEARCH_RESULT_INDEX', `${name} must be a number.`);
        }
        return Number(text);
    };

    const refusal = (name, message) => error.create({ name, message, notifyOff: true });

    return { get };
});
