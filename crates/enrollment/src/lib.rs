//! MS-MDE2, MS-XCEP and MS-WSTEP messages and the provisioning document.
