/** Nothing to set; without this file Next would take that of the checkout around it. */
export default {};
